//! A program on this process's own stdin, stdout and stderr.

use std::io;
use std::process::ExitStatus;
#[cfg(unix)]
use std::time::Duration;

use kdn_protocol::PROTOCOL_ENV;
use tokio::process::Command;

use super::Call;
use crate::role::TIED;

/// How long it may take to end after it was asked to.
#[cfg(unix)]
const ASKED: Duration = Duration::from_secs(1);

/// How a program ended.
#[derive(Debug)]
pub struct Attached {
    pub status: ExitStatus,
    /// The number of the last signal by which this process was told to end meanwhile.
    pub signal: Option<u8>,
}

/// Runs a program to its end. Signals are passed on to it; one that is told to end may leave the terminal as it had set it,
/// which is mended. Where the system can, the program goes when this process is killed.
#[expect(clippy::disallowed_methods, reason = "one of the places that start processes")]
pub async fn attach(call: Call) -> io::Result<Attached> {
    let mut command = if cfg!(target_os = "linux") {
        let mut own = Command::new(std::env::current_exe()?);
        own.arg(TIED).arg(call.program);
        own
    } else {
        Command::new(call.program)
    };
    command.args(call.args).env_remove(PROTOCOL_ENV);
    wait(command).await
}

#[cfg(unix)]
async fn wait(mut command: Command) -> io::Result<Attached> {
    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use rustix::termios::{OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::time::{Instant, sleep_until};

    let (mut interrupt, mut quit) = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
    let (mut term, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let terminal = tcgetattr(io::stdin()).ok();
    let mut child = command.spawn()?;
    let send = |id: Option<u32>, signal| {
        if let Some(pid) = id.and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    };
    let mut deadline = None;
    let mut told = None;
    loop {
        let signal = tokio::select! {
            status = child.wait() => {
                // Whoever is in the background would be stopped by it.
                let in_front = tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp());
                if let Some(terminal) = terminal.filter(|_| told.is_some() && in_front) {
                    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &terminal);
                }
                return Ok(Attached { status: status?, signal: told });
            }
            _ = interrupt.recv() => Signal::INT,
            _ = quit.recv() => Signal::QUIT,
            _ = term.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                deadline = None;
                send(child.id(), Signal::KILL);
                continue;
            }
        };
        told = u8::try_from(signal.as_raw()).ok();
        send(child.id(), signal);
        if [Signal::TERM, Signal::HUP].contains(&signal) {
            deadline.get_or_insert(Instant::now() + ASKED);
        }
    }
}

#[cfg(not(unix))]
async fn wait(mut command: Command) -> io::Result<Attached> {
    Ok(Attached { status: command.status().await?, signal: None })
}
