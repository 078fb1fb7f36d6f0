//! A command at the user's terminal, whose settings are restored when it has ended.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode},
    thread,
};

use nix::sys::signal::{SigSet, Signal};
use rustix::{
    process::{self, Pid},
    stdio::stdin,
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// The settings of the terminal on stdin; `None` if it is none.
pub(super) fn settings() -> Option<Termios> {
    tcgetattr(stdin()).ok()
}

/// Those of the keys, which reach the command as they reach this process; and SIGTTOU, which would stop who restores
/// the settings after the command had a process group of its own in the foreground.
const LEFT_ALONE: [Signal; 3] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTTOU];
/// Those that somebody sends to this process and means the command.
const PASSED_ON: [Signal; 2] = [Signal::SIGTERM, Signal::SIGHUP];

/// Runs the command to its end. It has to [`unblock`] what is blocked here, from before it is there.
pub(super) fn run(mut command: Command, settings: &Termios) -> io::Result<ExitCode> {
    SigSet::from_iter(LEFT_ALONE).thread_block()?;
    let passed_on = SigSet::from_iter(PASSED_ON);
    passed_on.thread_block()?;
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    thread::spawn(move || {
        while let Ok(signal) = passed_on.wait() {
            let signal = if signal == Signal::SIGHUP { process::Signal::HUP } else { process::Signal::TERM };
            let _ = process::kill_process(pid, signal);
        }
    });
    let status = child.wait()?;
    let _ = tcsetattr(stdin(), OptionalActions::Drain, settings);
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Gives a command that [`run`] waits for its signals back.
pub(super) fn unblock() {
    let _ = LEFT_ALONE.into_iter().chain(PASSED_ON).collect::<SigSet>().thread_unblock();
}
