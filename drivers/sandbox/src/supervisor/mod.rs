//! The process on the host that holds a sandbox: it starts PID 1, forwards ports, and is there until PID 1 has ended.

mod forward;
mod identity;
pub mod launch;

use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::{DumpableBehavior, WaitId, WaitIdOptions, set_dumpable_behavior, setsid, waitid};
use rustix::stdio::{dup2_stdin, dup2_stdout};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::plan::Plan;
use crate::state::{LOCK, Process, SOCKET, STATE, State};
use crate::{file, process, sys};

/// The first argument that makes this executable a supervisor.
pub const ROLE: &str = "__supervise";
/// Where the supervisor and PID 1 say what nobody is there to hear.
pub const LOG: &str = "supervisor.log";

/// How a start went; one line on the supervisor's standard output.
type Outcome = Result<State>;

/// Starts a supervisor in the folder of an instance and waits until the sandbox is ready, or is known not to be.
pub fn start(folder: &Path, plan: &Plan) -> Outcome {
    let log = file::log(&folder.join(LOG)).doing("write the supervisor's log")?;
    let mut child = process::own(ROLE)
        .arg0(format!("kdn-sandbox {}", plan.hostname))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .doing("start the supervisor")?;
    let told = match child.stdin.take() {
        Some(mut stdin) => {
            serde_json::to_vec(plan).map_err(io::Error::from).and_then(|plan| stdin.write_all(&plan))
        }
        None => Ok(()),
    };
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        io::BufReader::new(stdout).read_line(&mut line).doing("hear from the supervisor")?;
    }
    let outcome = serde_json::from_str(&line).unwrap_or_else(|_| {
        let log = fs::read_to_string(folder.join(LOG)).unwrap_or_default();
        told.doing("tell the supervisor its plan")?;
        Err(Error::internal(format!(
            "the supervisor ended without a word{}{}",
            if log.is_empty() { "" } else { ": " },
            log.trim()
        )))
    });
    // Nobody else will ask for its exit status while this process lives.
    std::thread::spawn(move || child.wait());
    outcome
}

/// The supervisor itself, in a fresh process whose working directory is the instance's folder.
pub fn main() -> ExitCode {
    // Whoever started the driver may have left descriptors, ignored signals and a narrow umask.
    sys::close_all_but(&[]);
    sys::reset_signals();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let _ = setsid();
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = tell(&Err(error));
            ExitCode::FAILURE
        }
    }
}

fn supervise() -> Result<()> {
    let plan: Plan =
        serde_json::from_reader(io::stdin().lock()).map_err(io::Error::from).doing("read the plan")?;
    let null = File::options().read(true).write(true).open("/dev/null").doing("open /dev/null")?;
    dup2_stdin(&null).doing("replace the standard input")?;

    let folder = Path::new(".");
    let lock = File::options().read(true).write(true).open(LOCK).doing("open the lock")?;
    if !sys::try_lock(&lock).doing("lock the instance")? {
        return Err(Error::new(ErrorKind::Busy, "another change of this workspace is under way"));
    }
    if let Some(last) = State::read(folder) {
        last.clean_up()?;
        fs::remove_file(STATE).doing("forget the last run")?;
    }
    let listener = listen_for_exec()?;
    let ports = forward::Listeners::bind(&plan)?;
    let running = launch::launch(plan, listener)?;

    let state = Process::of(rustix::process::getpid())
        .and_then(|own| State::new(own, Process::of(running.pid)?, running.groups.folders.clone()))
        .doing("identify the sandbox")?;
    state.write(folder).doing("write the state")?;
    // If nobody hears it, the driver has gone and with it the wish to start: PID 1 ends with us.
    tell(&Ok(state.clone())).doing("report to the driver")?;
    dup2_stdout(&null).doing("replace the standard output")?;
    drop(null);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);

    ports.serve(Mutex::new(running.control));
    wait_for_end(&running.pidfd, folder, state);
    running.groups.remove();
    let _ = fs::remove_file(SOCKET);
    Ok(())
}

fn tell(outcome: &Outcome) -> io::Result<()> {
    let mut line = serde_json::to_vec(outcome)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

fn listen_for_exec() -> Result<OwnedFd> {
    let _ = fs::remove_file(SOCKET);
    // The folder is the working directory, because the whole path may be longer than an address may be.
    let listen_on = || -> rustix::io::Result<OwnedFd> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrUnix::new(SOCKET)?)?;
        listen(&socket, 128)?;
        Ok(socket)
    };
    listen_on().doing("listen for terminals")
}

/// Waits for PID 1, with which everything inside ends, and keeps what ended it if that was not a stop.
fn wait_for_end(pidfd: &OwnedFd, folder: &Path, state: State) {
    use std::os::fd::AsFd;
    while poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None).is_err() {}
    let status = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).ok().flatten();
    let signal = status.and_then(|status| status.terminating_signal());
    let ended = signal.map(|signal| match signal {
        9 => "killed from outside or out of memory".to_owned(),
        signal => format!("ended by signal {signal}"),
    });
    if ended.is_some() {
        let _ = State { ended, ..state }.write(folder);
    } else {
        let _ = fs::remove_file(STATE);
    }
}
