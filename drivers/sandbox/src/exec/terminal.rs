//! The user's terminal in raw mode, joined to one inside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use rustix::process::Signal;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use super::{ended, forward};
use crate::error::{Doing, Result};
use crate::sys;

/// How long output may still take to arrive after the program has ended, where something else keeps its terminal open.
const LINGER: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Rows and columns.
pub(super) fn size(terminal: BorrowedFd<'_>) -> (u16, u16) {
    tcgetwinsize(terminal).map_or((24, 80), |size| (size.ws_row, size.ws_col))
}

/// Puts the terminal back as it was.
struct Raw<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Raw<'a> {
    fn enter(terminal: BorrowedFd<'a>) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(terminal, OptionalActions::Drain, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Copies between the user's terminal and the program's until the program ends; returns its exit code.
pub(super) fn relay(socket: &OwnedFd, signals: &OwnedFd, master: &OwnedFd) -> Result<u8> {
    let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let _raw = Raw::enter(input).doing("set the terminal to raw mode")?;
    let mut buffer = vec![0; 64 << 10];
    let (mut typing, mut showing) = (true, true);
    loop {
        let wanted = |wanted| if wanted { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(socket, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        // A side that has ended would be reported for ever.
        for (fd, on) in [(master.as_fd(), showing), (input, typing)] {
            if on {
                fds.push(PollFd::from_borrowed_fd(fd, wanted(on)));
            }
        }
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            result => result.doing("wait")?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (ended_now, signalled) = (ready[0], ready[1]);
        let (from_master, from_input) = match (showing, typing) {
            (true, true) => (ready[2], ready[3]),
            (true, false) => (ready[2], false),
            (false, true) => (false, ready[2]),
            (false, false) => (false, false),
        };
        if signalled {
            while let Some(caught) = sys::next_signal(signals) {
                if caught.signal == Signal::WINCH.as_raw() {
                    let _ = tcgetwinsize(input).and_then(|size| tcsetwinsize(master, size));
                } else {
                    forward(socket, caught.signal);
                }
            }
        }
        if from_master {
            showing = copy(master.as_fd(), output, &mut buffer);
        }
        if from_input {
            typing = copy(input, master.as_fd(), &mut buffer);
        }
        if ended_now {
            let code = ended(socket)?;
            while showing && poll(&mut [PollFd::new(master, PollFlags::IN)], Some(&LINGER)).is_ok_and(|n| n > 0) {
                showing = copy(master.as_fd(), output, &mut buffer);
            }
            return Ok(code);
        }
    }
}

/// Copies what is there; false when the source or the destination has ended.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, buffer: &mut [u8]) -> bool {
    let length = match read(from, &mut *buffer) {
        Ok(0) => return false,
        Ok(length) => length,
        Err(error) => return matches!(error, Errno::INTR | Errno::AGAIN),
    };
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        match write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => _ = poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None),
            Err(_) => return false,
        }
    }
    true
}
