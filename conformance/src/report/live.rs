//! A report for people while it comes about: lines that stay and, on a terminal, one below them that changes.

use std::{
    io::{self, Write},
    time::Instant,
};

use super::human;
use crate::{baseline::Standing, outcome::Verdict};

/// Shows checks while they run.
#[derive(Debug)]
pub struct Live<W> {
    out: W,
    width: Option<usize>,
    began: Instant,
    progress: Progress,
    /// Whether the line that changes is there.
    drawn: bool,
}

impl<W: Write> Live<W> {
    /// Of `total` checks. `width` is that of the terminal, where lines can be drawn again.
    pub fn new(out: W, total: usize, width: Option<usize>) -> Self {
        let progress = Progress { done: 0, total, bad: 0, running: Vec::new() };
        Self { out, width, began: Instant::now(), progress, drawn: false }
    }

    /// A check has begun. To tell so is not a must; then it is not shown until it has ended.
    pub fn begin(&mut self, id: &'static str) -> io::Result<()> {
        self.progress.running.push(id);
        self.clear()?;
        self.draw()
    }

    /// A check has ended.
    pub fn end(&mut self, verdict: &Verdict, standing: Standing) -> io::Result<()> {
        self.progress.running.retain(|id| *id != verdict.check.id);
        self.progress.done += 1;
        self.progress.bad += usize::from(standing.is_bad());
        self.clear()?;
        self.out.write_all(human::line(verdict, standing).as_bytes())?;
        self.draw()
    }

    /// Takes the line that changes away, to write something else.
    pub fn clear(&mut self) -> io::Result<()> {
        if let Some(width) = self.width.filter(|_| self.drawn) {
            self.drawn = false;
            // Spaces, as escape sequences are taken out of a stream without styles.
            write!(self.out, "\r{:1$}\r", "", width.saturating_sub(1))?;
        }
        self.out.flush()
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(width) = self.width.filter(|_| self.progress.done < self.progress.total) else {
            return Ok(());
        };
        self.drawn = true;
        let line = self.progress.line(self.began.elapsed().as_secs(), width.saturating_sub(1));
        self.out.write_all(line.as_bytes())?;
        self.out.flush()
    }
}

/// How far a run is.
#[derive(Debug)]
struct Progress {
    done: usize,
    total: usize,
    bad: usize,
    running: Vec<&'static str>,
}

impl Progress {
    /// At most `width` columns of ASCII.
    fn line(&self, seconds: u64, width: usize) -> String {
        let Self { done, total, bad, running } = self;
        let bad = if *bad == 0 { String::new() } else { format!(", {bad} failed") };
        let mut line = format!("{:>8} [{:>5}:{:02}] {done}/{total}{bad}", "", seconds / 60, seconds % 60);
        if !running.is_empty() {
            line = format!("{line}: {}", running.join(", "));
        }
        if line.len() > width {
            line.truncate(width.saturating_sub(3));
            line.push_str("...");
            line.truncate(width);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{outcome::Outcome, report::sample::verdict};

    fn run(width: Option<usize>) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        let mut live = Live::new(&mut out, 3, width);
        live.begin("core/crlf").unwrap();
        live.begin("core/string-id").unwrap();
        live.end(&verdict("core/crlf", Outcome::Failed("x".to_owned())), Standing::Failed).unwrap();
        live.clear().unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn off_a_terminal_there_are_lines_only() {
        assert_eq!(run(None), "    FAIL [   0.012s] core/crlf\n");
    }

    #[test]
    fn a_terminal_has_a_line_that_changes_and_never_wraps() {
        let text = run(Some(40));
        assert!(text.contains("0:00] 0/3: core/crlf\r"), "{text:?}");
        assert!(text.contains("1/3, 1 failed: c...\r"), "{text:?}");
        assert!(text.split(['\r', '\n']).all(|part| part.len() < 40), "{text:?}");
        assert!(text.ends_with('\r'), "{text:?}");
    }
}
