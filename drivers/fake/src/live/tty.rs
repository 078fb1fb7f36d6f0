//! A command at the user's terminal, whose settings are restored when it has ended.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode},
    thread,
};

use nix::sys::signal::{SigSet, Signal};
use rustix::{
    process::Pid,
    stdio::stdin,
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// The settings of the terminal on stdin; `None` if it is none.
pub(super) fn settings() -> Option<Termios> {
    tcgetattr(stdin()).ok()
}

/// Runs the command to its end. The keys that send signals reach it as they reach this process, which waits on.
pub(super) fn run(mut command: Command, settings: &Termios) -> io::Result<ExitCode> {
    // Blocked rather than ignored, so that the command has them as they were; SIGTTOU would stop who restores the
    // settings after the command had a process group of its own in the foreground.
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGINT);
    blocked.add(Signal::SIGQUIT);
    blocked.add(Signal::SIGTTOU);
    let mut passed_on = SigSet::empty();
    passed_on.add(Signal::SIGTERM);
    passed_on.add(Signal::SIGHUP);
    blocked.thread_block()?;
    passed_on.thread_block()?;

    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    thread::spawn(move || {
        while let Ok(signal) = passed_on.wait() {
            let signal = if signal == Signal::SIGHUP {
                rustix::process::Signal::HUP
            } else {
                rustix::process::Signal::TERM
            };
            let _ = rustix::process::kill_process(pid, signal);
        }
    });
    let status = child.wait()?;
    let _ = tcsetattr(stdin(), OptionalActions::Drain, settings);
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}
