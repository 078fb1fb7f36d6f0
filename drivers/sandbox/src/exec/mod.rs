//! The client that a terminal runs: it has PID 1 start a program and is its stand-in on the host.

mod relay;
mod terminal;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::Signal;
use rustix::termios::{isatty, tcgetwinsize, tcsetwinsize};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::state::SOCKET;
use crate::sys;
use crate::wire::{self, EXEC_VERSION, ExecReply, ExecRequest};
use relay::{Pipe, relay};
use terminal::Raw;

/// The first argument that makes this executable an exec client.
pub const ROLE: &str = "exec";

/// Signals that reach the program inside when they are sent to the client; the last resizes its terminal.
const FORWARDED: [Signal; 7] =
    [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP, Signal::USR1, Signal::USR2, Signal::WINCH];

/// Runs `argv` in the running sandbox of an instance's folder; returns its exit code.
pub fn exec(folder: &Path, tty: bool, argv: Vec<String>, env: Vec<(String, String)>) -> Result<u8> {
    let socket = dial(folder)?;
    // Signals are read from a descriptor from here on, so that none can end us with the terminal in raw mode.
    let signals = sys::signal_fd(&FORWARDED).doing("wait for signals")?;
    let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    if tty && isatty(input) && isatty(output) {
        let request = ExecRequest { argv, env, tty: Some(terminal::size(input)) };
        let mut fds = ask(&socket, &request, &[])?;
        let master = fds.pop().ok_or_else(|| Error::internal("no terminal came from the sandbox"))?;
        let typing =
            master.try_clone().and_then(|master| Pipe::input(input, master)).doing("join the terminals")?;
        let showing = master.try_clone().doing("join the terminals")?;
        let _raw = Raw::enter(input).doing("set the terminal to raw mode")?;
        let resize = || {
            let _ = tcgetwinsize(input).and_then(|size| tcsetwinsize(&master, size));
        };
        return relay(&socket, &signals, vec![Pipe::output(showing, output), typing], true, resize);
    }
    let (streams, pipes) =
        streams([input, output, rustix::stdio::stderr()]).doing("hand in the standard streams")?;
    let fds = streams.each_ref().map(AsFd::as_fd);
    ask(&socket, &ExecRequest { argv, env, tty: None }, &fds)?;
    drop(streams);
    relay(&socket, &signals, pipes, false, || ())
}

fn dial(folder: &Path) -> Result<OwnedFd> {
    let dial = || -> rustix::io::Result<OwnedFd> {
        let folder =
            rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // The whole path may be longer than an address may be.
        let path = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(socket)
    };
    dial().map_err(|_| {
        Error::new(ErrorKind::InvalidState, "the workspace is not running").hint("start it first")
    })
}

/// Sends the request; returns the descriptors that came with the program's start.
fn ask(socket: &OwnedFd, request: &ExecRequest, streams: &[BorrowedFd<'_>]) -> Result<Vec<OwnedFd>> {
    let request = wire::into_memory(request).doing("write the request")?;
    let fds: Vec<_> = [request.as_fd()].into_iter().chain(streams.iter().copied()).collect();
    wire::send(socket, &EXEC_VERSION, &fds).doing("ask the sandbox")?;
    match wire::receive(socket).doing("hear from the sandbox")? {
        Some((ExecReply::Started, fds)) => Ok(fds),
        Some((ExecReply::Refused(reason), _)) => Err(Error::new(ErrorKind::InvalidState, reason)),
        Some((ExecReply::Exited(_), _)) | None => {
            Err(Error::new(ErrorKind::InvalidState, "the workspace stopped"))
        }
    }
}

/// What the program gets as its standard streams: pipes and files as they are, but never a terminal of the host's,
/// which it could go on reading after its end, nor a folder, which would be a way out.
fn streams(users: [BorrowedFd<'static>; 3]) -> io::Result<([OwnedFd; 3], Vec<Pipe<'static>>)> {
    let mut pipes = Vec::new();
    let mut hand_in = |index: usize| -> io::Result<OwnedFd> {
        let user = users[index];
        if isatty(user) {
            let (read, write) = io::pipe()?;
            let (inside, outside): (OwnedFd, OwnedFd) =
                if index == 0 { (read.into(), write.into()) } else { (write.into(), read.into()) };
            pipes.push(if index == 0 { Pipe::input(user, outside)? } else { Pipe::output(outside, user) });
            return Ok(inside);
        }
        let copy = File::from(user.try_clone_to_owned()?);
        let kind = copy.metadata()?.file_type();
        if kind.is_dir() || kind.is_block_device() {
            return Err(io::Error::other("a folder or a disk can't go into the sandbox"));
        }
        Ok(copy.into())
    };
    let streams = [hand_in(0)?, hand_in(1)?, hand_in(2)?];
    Ok((streams, pipes))
}
