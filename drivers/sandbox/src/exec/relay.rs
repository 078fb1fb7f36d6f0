//! Copies between the user's streams and the program's until the program has ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::process::Signal;

use crate::error::{Doing, Result};
use crate::sys;
use crate::wire::{self, ExecReply, Kill};

/// How long output may still take to arrive after the program has ended, where something else keeps its stream open.
const LINGER: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// One end of a [`Pipe`].
pub(super) enum End<'a> {
    /// The user's, shared with others and left as it is.
    User(BorrowedFd<'a>),
    /// The program's, which never blocks us and is closed when the other end has ended.
    Program(OwnedFd),
}

/// One direction of copying.
pub(super) struct Pipe<'a> {
    from: End<'a>,
    to: End<'a>,
    /// Read and not yet written.
    pending: Vec<u8>,
    /// The user has nothing more to type.
    user_gone: bool,
}

impl End<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::User(fd) => *fd,
            Self::Program(fd) => fd.as_fd(),
        }
    }

    fn is_user(&self) -> bool {
        matches!(self, Self::User(_))
    }
}

impl<'a> Pipe<'a> {
    /// Copies what the user types.
    pub(super) fn input(user: BorrowedFd<'a>, program: OwnedFd) -> io::Result<Self> {
        // A program that does not read must not keep us from showing what it writes.
        fcntl_setfl(&program, fcntl_getfl(&program)? | OFlags::NONBLOCK)?;
        Ok(Self { from: End::User(user), to: End::Program(program), pending: Vec::new(), user_gone: false })
    }

    /// Copies what the program writes.
    pub(super) fn output(program: OwnedFd, user: BorrowedFd<'a>) -> Self {
        Self { from: End::Program(program), to: End::User(user), pending: Vec::new(), user_gone: false }
    }

    fn end_of_input(&mut self) -> bool {
        self.user_gone = !self.to.is_user();
        false
    }

    fn interest(&self) -> PollFd<'_> {
        if self.pending.is_empty() {
            PollFd::from_borrowed_fd(self.from.fd(), PollFlags::IN)
        } else {
            PollFd::from_borrowed_fd(self.to.fd(), PollFlags::OUT)
        }
    }

    /// Copies what is there; false when either end has ended.
    fn copy(&mut self, buffer: &mut [u8]) -> bool {
        if self.pending.is_empty() {
            match read(self.from.fd(), &mut *buffer) {
                Ok(0) => return self.end_of_input(),
                Ok(length) => self.pending.extend_from_slice(&buffer[..length]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return self.end_of_input(),
            }
        }
        while !self.pending.is_empty() {
            match write(self.to.fd(), &self.pending) {
                Ok(written) => _ = self.pending.drain(..written),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

/// Copies, and passes signals on, until PID 1 tells the program's exit code. `raw`: the user's terminal is in raw mode,
/// where the end of what it types is its own end, and with it the program's.
pub(super) fn relay(
    socket: &OwnedFd,
    signals: &OwnedFd,
    mut pipes: Vec<Pipe<'_>>,
    raw: bool,
    resize: impl Fn(),
) -> Result<u8> {
    let mut buffer = vec![0; if pipes.is_empty() { 0 } else { 64 << 10 }];
    loop {
        let fixed = [socket, signals].map(|fd| PollFd::new(fd, PollFlags::IN));
        let mut fds: Vec<_> = fixed.into_iter().chain(pipes.iter().map(Pipe::interest)).collect();
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            ready => _ = ready.doing("wait for the program")?,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        while let Some(caught) = sys::next_signal(signals) {
            if caught.signal == Signal::WINCH.as_raw() {
                resize();
            } else {
                // If the sandbox has gone, that is noticed when the socket is read.
                let _ = wire::send(socket, &Kill(caught.signal), &[]);
            }
        }
        let mut ready_pipes = ready[2..].iter();
        let mut user_gone = false;
        pipes.retain_mut(|pipe| {
            let open = !ready_pipes.next().is_some_and(|ready| *ready) || pipe.copy(&mut buffer);
            user_gone |= pipe.user_gone;
            open
        });
        if ready[0] {
            let code = exit_code(socket)?;
            drain(pipes, &mut buffer);
            return Ok(code);
        }
        if raw && user_gone {
            // PID 1 ends the program when our socket closes.
            return Ok(128 + 1);
        }
    }
}

/// Shows what the program has written before it ended.
fn drain(mut pipes: Vec<Pipe<'_>>, buffer: &mut [u8]) {
    pipes.retain(|pipe| pipe.to.is_user());
    for mut pipe in pipes {
        while poll(&mut [pipe.interest()], Some(&LINGER)).is_ok_and(|ready| ready > 0) && pipe.copy(buffer) {}
    }
}

fn exit_code(socket: &OwnedFd) -> Result<u8> {
    match wire::receive(socket).doing("hear from the sandbox")? {
        Some((ExecReply::Exited(code), _)) => Ok(code),
        // Whatever stopped the workspace killed the program.
        Some(_) | None => Ok(128 + 9),
    }
}
