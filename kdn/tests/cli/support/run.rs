//! One run of kdn: to its end, or still going on.

use std::{
    fmt::{self, Write as _},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output},
};

use rustix::process::{Pid, Signal, kill_process};

use super::schema;

/// What a run of kdn left behind, without what differs from run to run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new(command: &Command, output: Output, root: &Path) -> Self {
        schema::check(command, &output);
        let text = |bytes: Vec<u8>| normalize(&String::from_utf8(bytes).unwrap(), root);
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Exit code, stdout and stderr as one text; an empty stream is left out.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "exit code {code}")?,
            None => write!(f, "ended by a signal")?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "\n--- {name}\n{}", text.trim_end_matches('\n'))?;
            }
        }
        Ok(())
    }
}

/// Takes ids, times, paths and spaces at the ends of lines out of a text. What stands in for a short id is as long.
fn normalize(text: &str, root: &Path) -> String {
    let text =
        text.replace(&root.display().to_string(), "[ROOT]").replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let words = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
        let mut after_for = false;
        for word in words {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let hex = bare.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            let number = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
            let stand_in = match bare.len() {
                64 if hex => "[ID]",
                13 if number => "[TIME]",
                12 if hex => "[SHORT ID  ]",
                _ if after_for && bare.trim_end_matches('s').parse::<u32>().is_ok() => "Ns",
                _ => bare,
            };
            let _ = write!(out, "{stand_in}{}", &word[bare.len()..]);
            after_for = bare == "for";
        }
        let end = if out.ends_with('\n') { "\n" } else { "" };
        out.truncate(out.trim_end().len());
        out.push_str(end);
    }
    out
}

/// A run of kdn that goes on.
pub(crate) struct Running {
    command: Command,
    child: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
    root: PathBuf,
}

impl Running {
    pub(crate) fn new(mut command: Command, root: &Path) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { command, child, stderr, seen: String::new(), root: root.to_owned() }
    }

    /// Waits for a line on stderr.
    pub(crate) fn expect(&mut self, line: &str) -> &mut Self {
        loop {
            let before = self.seen.len();
            let read = self.stderr.read_line(&mut self.seen).unwrap();
            assert_ne!(read, 0, "{line:?} did not come on stderr, but: {}", self.seen);
            if self.seen[before..].trim_end() == line {
                return self;
            }
        }
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> &mut Self {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self
    }

    pub(crate) fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; stderr is all of it.
    pub(crate) fn finish(mut self) -> Run {
        std::io::Read::read_to_string(&mut self.stderr, &mut self.seen).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stderr = self.seen.into_bytes();
        Run::new(&self.command, output, &self.root)
    }
}
