//! The one place that starts processes: programs of the engine, with a guard where they may be cut short, or on the terminal
//! of the user.

mod attached;
mod end;
mod guard;
mod orphan;

#[cfg(unix)]
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kdn_protocol::driver::Context;
use kdn_protocol::{PROTOCOL_ENV, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::role::GUARD;

pub use attached::{Attached, attach};
pub use guard::{Ending, guard};
pub use orphan::end_noted;

/// How much of stdout is kept, in bytes; nothing that is read here comes near.
const STDOUT: usize = 64 * 1024 * 1024;
/// How much of the end of stderr is kept, in bytes.
const STDERR: usize = 16 * 1024;
/// How long a line may be before it is passed on in parts, in bytes.
const LINE: usize = 64 * 1024;
/// How long output is waited for after the end of a process: what outlives it may hold the pipes for ever.
const LINGER: Duration = Duration::from_millis(200);

/// How long a request waits for the end of a command that it does not want any more: the host has 10 s for that.
const UNWANTED: Duration = Duration::from_secs(8);
/// The same for a driver that is told to end, which has 2 s.
const TERMINATED: Duration = Duration::from_millis(1200);

/// A command to run.
#[derive(Debug, Default)]
pub struct Call {
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Where it keeps what it needs for a while, if not where its engine has that.
    pub scratch: Option<PathBuf>,
    /// What it reads on stdin.
    pub input: Vec<u8>,
    /// Where it is noted that it runs, for whoever comes after this process.
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

impl Output {
    fn new(status: ExitStatus, mut kept: Kept<'_>) -> Self {
        kept.flush();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status, stdout: text(&kept.stdout), stderr: text(&kept.stderr) }
    }
}

/// Takes what a command prints, line by line.
pub type Sink<'a> = &'a mut (dyn FnMut(Stream, &str) + Send);

/// Runs a command to its end.
pub async fn run(mut call: Call) -> io::Result<Output> {
    let mut command = command(&call);
    #[cfg(unix)]
    command.process_group(0);
    // A change that is cut short may break more than itself: podman keeps half an image that way. It goes on.
    command.kill_on_drop(call.note.is_none());
    let mut running = Running::start(command, call.note.as_deref())?;
    let (stdin, input) = (running.child.stdin.take(), std::mem::take(&mut call.input));
    let write = async {
        if let Some(mut stdin) = stdin {
            // It may not want to read it all.
            let _ = stdin.write_all(&input).await;
        }
    };
    let (status, kept) = running.talk(Kept::default(), write).await?;
    Ok(Output::new(status, kept))
}

/// Runs a command, each line of which goes to `sink`, until it has ended or is not wanted any more. `None`: it has come to its
/// `ending`, or will soon.
pub async fn run_guarded(
    mut call: Call,
    ending: &Ending,
    context: &Context,
    sink: Option<Sink<'_>>,
) -> io::Result<Option<Output>> {
    let ending = serde_json::to_string(ending)?;
    let guarded = [GUARD.to_owned(), ending, call.program.to_string_lossy().into_owned()];
    call.args.splice(..0, guarded);
    call.program = std::env::current_exe()?;
    let mut running = Running::start(command(&call), call.note.as_deref())?;
    let stdin = running.child.stdin.take();
    let mut talk = Box::pin(running.talk(Kept { sink, ..Kept::default() }, async {}));
    tokio::select! {
        done = &mut talk => {
            let (status, kept) = done?;
            return Ok(Some(Output::new(status, kept)));
        }
        () = context.cancellation().cancelled() => drop(stdin),
    }
    let patience = async {
        let terminated = timeout(UNWANTED, context.termination().cancelled()).await;
        if terminated.is_ok() {
            sleep(TERMINATED).await;
        }
    };
    tokio::select! {
        done = &mut talk => {
            let (status, kept) = done?;
            return Ok(status.success().then(|| Output::new(status, kept)));
        }
        () = patience => {}
    }
    drop(talk);
    running.leave();
    Ok(None)
}

/// A command that runs.
struct Running {
    child: Child,
    note: Option<orphan::Note>,
}

impl Running {
    fn start(mut command: Command, note: Option<&Path>) -> io::Result<Self> {
        // Before it runs, as this process may be killed at any time.
        let note = note.and_then(orphan::Note::new);
        command.envs(note.as_ref().map(|note| (orphan::MARK, note.mark())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        if let (Some(note), Some(id)) = (&note, child.id()) {
            note.runs_as(id);
        }
        Ok(Self { child, note })
    }

    /// Takes what the command prints until it has ended.
    async fn talk<'a>(
        &mut self,
        kept: Kept<'a>,
        write: impl Future<Output = ()>,
    ) -> io::Result<(ExitStatus, Kept<'a>)> {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let kept = Mutex::new(kept);
        let mut done = false;
        let status = {
            let talk = async {
                tokio::join!(write, pump(stdout, Stream::Stdout, &kept), pump(stderr, Stream::Stderr, &kept))
            };
            tokio::pin!(talk);
            let status = loop {
                tokio::select! {
                    status = self.child.wait() => break status?,
                    _ = &mut talk, if !done => done = true,
                }
            };
            if !done {
                let _ = timeout(LINGER, talk).await;
            }
            status
        };
        Ok((status, kept.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Lets the command go on without this process.
    fn leave(self) {
        if let Some(note) = self.note {
            note.leave();
        }
    }
}

/// A command of an engine.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn command(call: &Call) -> Command {
    let Call { program, args, scratch, .. } = call;
    let mut command = Command::new(program);
    command.args(args).env_remove(PROTOCOL_ENV).current_dir(program.ancestors().last().unwrap_or(program));
    command.envs(scratch.as_ref().map(|folder| ("TMPDIR", folder)));
    // Of Docker: progress as lines, and no advertisements.
    command.env("BUILDKIT_PROGRESS", "plain").env("DOCKER_CLI_HINTS", "false");
    command
}

/// The status as a shell tells it: 128+n for a command that signal n ended.
pub fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
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
