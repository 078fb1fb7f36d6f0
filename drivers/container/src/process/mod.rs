//! The one place that starts processes: programs of the engine, in a process group that dies when its work is not wanted
//! any more, or on the terminal of the user.

mod attached;
mod end;
mod orphan;

#[cfg(unix)]
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kdn_protocol::{PROTOCOL_ENV, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::role::SESSION;

pub use attached::{Attached, attach};
pub use orphan::end_noted;

/// How much of stdout is kept, in bytes; nothing that is read here comes near.
const STDOUT: usize = 64 * 1024 * 1024;
/// How much of the end of stderr is kept, in bytes.
const STDERR: usize = 16 * 1024;
/// How long a line may be before it is passed on in parts, in bytes.
const LINE: usize = 64 * 1024;
/// How long output is waited for after the end of a process: what outlives it may hold the pipes for ever.
const LINGER: Duration = Duration::from_millis(200);

/// A command to run.
#[derive(Debug, Default)]
pub struct Call {
    pub program: PathBuf,
    pub args: Vec<String>,
    /// What it reads on stdin.
    pub input: Vec<u8>,
    /// When it is not wanted any more.
    pub cancelled: Option<CancellationToken>,
    /// Whether it cleans up by itself when what it runs in namespaces of their own is killed.
    pub nested: bool,
    /// Whether it leaves something running.
    pub launches: bool,
    /// Whether what it leaves running has to be put into a session of its own.
    pub session: bool,
    /// Where it is noted that it runs, for whoever comes after this process was killed.
    pub note: Option<PathBuf>,
}

/// What a command did.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    /// The last part of it.
    pub stderr: String,
}

/// Takes what a command prints, line by line.
pub type Sink<'a> = &'a mut (dyn FnMut(Stream, &str) + Send);

/// Runs a command to its end.
pub async fn run(call: Call, sink: Option<Sink<'_>>) -> io::Result<Output> {
    // Before it runs, as this process may be killed at any time.
    let note = call.note.as_deref().and_then(|path| orphan::Note::new(path, &call));
    let mut child = spawn(&call, note.as_ref().map(orphan::Note::mark))?;
    if let (Some(note), Some(id)) = (&note, child.id()) {
        note.runs_as(id);
    }
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let kept = Mutex::new(Kept { sink, ..Kept::default() });
    let mut done = false;
    let status = {
        let talk = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // It may not want to read it all.
                    let _ = stdin.write_all(&call.input).await;
                }
            };
            tokio::join!(write, pump(stdout, Stream::Stdout, &kept), pump(stderr, Stream::Stderr, &kept));
        };
        let end = end::when_cancelled(&call, child.id());
        tokio::pin!(talk, end);
        let mut ended = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                () = &mut talk, if !done => done = true,
                () = &mut end, if !ended => {
                    ended = true;
                    let _ = child.start_kill();
                }
            }
        };
        if !done {
            let _ = tokio::time::timeout(LINGER, talk).await;
        }
        status
    };
    let mut kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    kept.flush();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Output { status, stdout: text(&kept.stdout), stderr: text(&kept.stderr) })
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn spawn(call: &Call, mark: Option<&str>) -> io::Result<Child> {
    let Call { program, args, session, .. } = call;
    let mut command = if *session {
        let mut own = Command::new(std::env::current_exe()?);
        own.arg(SESSION).arg(program);
        own
    } else {
        Command::new(program)
    };
    #[cfg(unix)]
    if !session {
        command.process_group(0);
    }
    command.args(args).env_remove(PROTOCOL_ENV).current_dir(program.ancestors().last().unwrap_or(program));
    // Of Docker: progress as lines, and no advertisements.
    command.env("BUILDKIT_PROGRESS", "plain").env("DOCKER_CLI_HINTS", "false");
    command.envs(mark.map(|mark| (orphan::MARK, mark)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A change that is cut short may break more than itself: podman keeps half an image that way. It goes on, and is noted.
    command.kill_on_drop(call.note.is_none());
    command.spawn()
}

/// Becomes another program; returns only if it can't.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn replace(program: &OsStr, args: &[OsString]) -> io::Error {
    std::os::unix::process::CommandExt::exec(std::process::Command::new(program).args(args))
}

/// What is kept of the output.
#[derive(Default)]
struct Kept<'a> {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The lines that are not complete yet.
    lines: [Vec<u8>; 2],
    sink: Option<Sink<'a>>,
}

impl Kept<'_> {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Stderr {
            self.stderr.extend_from_slice(bytes);
            let surplus = self.stderr.len().saturating_sub(STDERR);
            self.stderr.drain(..surplus);
        } else {
            let room = STDOUT.saturating_sub(self.stdout.len()).min(bytes.len());
            self.stdout.extend_from_slice(&bytes[..room]);
        }
        let Some(sink) = &mut self.sink else { return };
        let line = &mut self.lines[usize::from(stream == Stream::Stderr)];
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.ends_with(b"\n") || line.len() > LINE {
                sink(stream, &String::from_utf8_lossy(line));
                line.clear();
            }
        }
    }

    fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        for (stream, line) in [Stream::Stdout, Stream::Stderr].into_iter().zip(lines) {
            if let Some(sink) = self.sink.as_mut().filter(|_| !line.is_empty()) {
                sink(stream, &String::from_utf8_lossy(&line));
            }
        }
    }
}

async fn pump(from: Option<impl AsyncRead + Unpin>, stream: Stream, kept: &Mutex<Kept<'_>>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap_or_else(PoisonError::into_inner).take(stream, &buffer[..read]);
    }
}
