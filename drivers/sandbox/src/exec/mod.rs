//! The client that a terminal runs: it has PID 1 start a program and is its stand-in on the host.

mod terminal;

use std::fs::{File, FileType};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::Signal;
use rustix::termios::isatty;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::state::SOCKET;
use crate::sys;
use crate::wire::{self, EXEC_VERSION, ExecReply, ExecRequest, Kill};

/// The first argument that makes this executable an exec client.
pub const ROLE: &str = "exec";

/// Signals that reach the program inside when they are sent to the client.
const FORWARDED: [Signal; 7] =
    [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP, Signal::USR1, Signal::USR2, Signal::WINCH];

/// Runs `argv` in the running sandbox of an instance's folder; returns its exit code.
pub fn exec(folder: &Path, tty: bool, argv: Vec<String>, env: Vec<(String, String)>) -> Result<u8> {
    let socket = dial(folder)?;
    // Signals are read from a descriptor from here on, so that none can end us with the terminal in raw mode.
    let signals = sys::signal_fd(&FORWARDED).doing("wait for signals")?;
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let size = if tty && isatty(streams[0]) { Some(terminal::size(streams[0])) } else { None };
    let request = wire::into_memory(&ExecRequest { argv, env, tty: size }).doing("write the request")?;

    let mut fds = vec![request.as_fd()];
    if size.is_none() {
        for stream in streams {
            refuse_folder(stream)?;
            fds.push(stream);
        }
    }
    wire::send(&socket, &EXEC_VERSION, &fds).doing("ask the sandbox")?;
    match wire::receive(&socket).doing("hear from the sandbox")? {
        Some((ExecReply::Started, mut master)) => match master.pop() {
            Some(master) => terminal::relay(&socket, &signals, &master),
            None => wait(&socket, &signals),
        },
        Some((ExecReply::Refused(reason), _)) => Err(Error::new(ErrorKind::InvalidState, reason)),
        Some((ExecReply::Exited(code), _)) => Ok(code),
        None => Err(gone()),
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::InvalidState, "the workspace stopped")
}

fn dial(folder: &Path) -> Result<OwnedFd> {
    let dial = || -> rustix::io::Result<OwnedFd> {
        let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // The whole path may be longer than an address may be.
        let path = format!("/proc/self/fd/{}/{SOCKET}", std::os::fd::AsRawFd::as_raw_fd(&folder));
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(socket)
    };
    dial().map_err(|_| {
        Error::new(ErrorKind::InvalidState, "the workspace is not running").hint("start it with: kdn start")
    })
}

/// A folder handed in would be a way out of the sandbox's file tree.
fn refuse_folder(stream: BorrowedFd<'_>) -> Result<()> {
    let kind = stream.try_clone_to_owned().and_then(|fd| Ok(File::from(fd).metadata()?.file_type()));
    match kind {
        Ok(kind) if FileType::is_dir(&kind) || kind.is_block_device() => {
            Err(Error::internal("a folder or disk can't be a standard stream of a program in the sandbox"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error).doing("look at the standard streams"),
    }
}

/// What came from PID 1 while the program ran.
fn ended(socket: &OwnedFd) -> Result<u8> {
    match wire::receive(socket).doing("hear from the sandbox")? {
        Some((ExecReply::Exited(code), _)) => Ok(code),
        // Whatever stopped the workspace killed the program.
        Some(_) | None => Ok(128 + 9),
    }
}

fn wait(socket: &OwnedFd, signals: &OwnedFd) -> Result<u8> {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result.doing("wait")?,
        };
        if !fds[0].revents().is_empty() {
            return ended(socket);
        }
        while let Some(caught) = sys::next_signal(signals) {
            forward(socket, caught.signal);
        }
    }
}

fn forward(socket: &OwnedFd, signal: i32) {
    // If the sandbox has gone, that is noticed when the socket is read.
    let _: io::Result<()> = wire::send(socket, &Kill(signal), &[]);
}
