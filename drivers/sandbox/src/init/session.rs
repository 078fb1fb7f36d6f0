//! Starts one program inside, on streams that were handed in or on a terminal of the sandbox's own.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::sys::{self, Forked};
use crate::wire::ExecRequest;

/// What the user's own environment may set inside.
const PASSED: [&str; 3] = ["TERM", "COLORTERM", "LANG"];

/// A pseudo-terminal: the master goes to the client, the slave to the program.
pub(super) struct Terminal {
    pub(super) master: OwnedFd,
    slave: OwnedFd,
}

impl Terminal {
    pub(super) fn open((rows, columns): (u16, u16)) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        tcsetwinsize(&master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
        Ok(Self { master, slave })
    }
}

/// What the program's standard input, output and error are.
pub(super) enum Streams {
    Given([OwnedFd; 3]),
    Terminal(Terminal),
}

impl Streams {
    fn fds(&self) -> [BorrowedFd<'_>; 3] {
        match self {
            Self::Given(fds) => fds.each_ref().map(AsFd::as_fd),
            Self::Terminal(terminal) => [terminal.slave.as_fd(); 3],
        }
    }
}

/// Forks and runs the program as leader of a new session.
pub(super) fn spawn(request: &ExecRequest, streams: &Streams, env: &[(String, String)]) -> io::Result<Pid> {
    match sys::fork()? {
        Forked::Parent(pid) => Ok(pid),
        Forked::Child => {
            let error = match become_session(streams) {
                Ok(()) => command(request, env).exec(),
                Err(error) => error,
            };
            std::process::exit(complain(&request.argv[0], &error))
        }
    }
}

fn become_session(streams: &Streams) -> io::Result<()> {
    setsid()?;
    let [input, output, error] = streams.fds();
    if let Streams::Terminal(terminal) = streams {
        ioctl_tiocsctty(&terminal.slave)?;
    }
    dup2_stdin(input)?;
    dup2_stdout(output)?;
    dup2_stderr(error)?;
    // PID 1 hears of its signals from a descriptor, for which it blocks them.
    sys::unblock_signals();
    sys::close_on_exec_from(3);
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing is started on the host: this process becomes the program"
)]
fn command(request: &ExecRequest, env: &[(String, String)]) -> Command {
    let mut command = Command::new(&request.argv[0]);
    let passed = request.env.iter().filter(|(name, _)| PASSED.contains(&name.as_str()));
    let all = passed.chain(env).map(|(name, value)| (name, value));
    command.args(&request.argv[1..]).env_clear().env("LANG", "C.UTF-8").envs(all);
    command
}

/// Says on the program's own standard error why it can't run, with the exit code that shells use for that.
fn complain(program: &str, error: &io::Error) -> i32 {
    let (text, code) = match error.kind() {
        ErrorKind::NotFound => ("command not found".to_owned(), 127),
        ErrorKind::PermissionDenied => ("permission denied".to_owned(), 126),
        _ => (error.to_string(), 126),
    };
    let _ = writeln!(io::stderr(), "{program}: {text}\r");
    code
}
