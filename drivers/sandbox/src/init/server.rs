//! The loop of PID 1: starts programs for exec clients, reaps, passes sockets out, and ends the sandbox.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, connect, socket_with};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};

use super::session::{self, Streams, Terminal};
use crate::error::{Doing, Result};
use crate::sys;
use crate::wire::{self, EXEC_VERSION, ExecReply, ExecRequest, Kill, Order, Report};

/// How long a program may tidy up after its terminal has gone.
const HANGUP: Duration = Duration::from_secs(2);

/// One exec client and, once it has asked, its program.
struct Session {
    socket: OwnedFd,
    pid: Option<Pid>,
}

/// Everything that PID 1 knows.
pub(super) struct Server {
    env: Vec<(String, String)>,
    control: OwnedFd,
    listener: OwnedFd,
    signals: OwnedFd,
    sessions: Vec<Session>,
    /// Programs whose client has gone, and when they are killed.
    abandoned: Vec<(Pid, Instant)>,
    stopping: bool,
}

/// The signals that PID 1 hears: its children's, and the one that ends the sandbox.
pub(super) fn signals() -> Result<OwnedFd> {
    sys::signal_fd(&[Signal::CHILD, Signal::TERM]).doing("wait for signals")
}

impl Server {
    pub(super) fn new(
        env: Vec<(String, String)>,
        control: OwnedFd,
        listener: OwnedFd,
        signals: OwnedFd,
    ) -> Self {
        Self { env, control, listener, signals, sessions: Vec::new(), abandoned: Vec::new(), stopping: false }
    }

    /// Runs until the supervisor goes away or everything inside has ended; returns the exit code.
    pub(super) fn serve(mut self) -> i32 {
        loop {
            let ready = self.wait();
            let [control, signals, listener, sessions @ ..] = ready.as_slice() else { return 1 };
            if *control && self.obey().is_err() {
                return 0;
            }
            for (index, _) in sessions.iter().enumerate().rev().filter(|(_, ready)| **ready) {
                self.hear(index);
            }
            if *listener {
                self.accept();
            }
            if *signals && self.reap() {
                return 0;
            }
            self.kill_abandoned();
        }
    }

    /// Waits until something happens, and says to whom: control, signals, listener, then each session.
    fn wait(&self) -> Vec<bool> {
        let fixed = [&self.control, &self.signals, &self.listener];
        let sockets = fixed.into_iter().chain(self.sessions.iter().map(|session| &session.socket));
        let mut fds: Vec<_> = sockets.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let next = self.abandoned.iter().map(|(_, at)| *at).min();
        let timeout =
            next.and_then(|at| Timespec::try_from(at.saturating_duration_since(Instant::now())).ok());
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return vec![false; fds.len()];
        }
        fds.iter().map(|fd| !fd.revents().is_empty()).collect()
    }

    /// Does what the supervisor says; an error means that it has gone.
    fn obey(&mut self) -> Result<(), ()> {
        let (order, _) = wire::receive(&self.control).map_err(|_| ())?.ok_or(())?;
        if let Order::Connect { port, v6 } = order {
            let (report, socket) = match connecting(port, v6) {
                Ok(socket) => (Report::Connected(None), Some(socket)),
                Err(error) => (Report::Connected(Some(error.raw_os_error())), None),
            };
            let fds: Vec<BorrowedFd<'_>> = socket.iter().map(AsFd::as_fd).collect();
            wire::send(&self.control, &report, &fds).map_err(|_| ())?;
        }
        Ok(())
    }

    fn accept(&mut self) {
        if let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC) {
            self.sessions.push(Session { socket, pid: None });
        }
    }

    /// Handles what one client sent: first its request, then signals, last its going away.
    fn hear(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        match session.pid {
            None => {
                let started = wire::receive(&session.socket).and_then(|message| {
                    let (version, fds) = message.ok_or(io::ErrorKind::UnexpectedEof)?;
                    if self.stopping {
                        return Err(io::Error::other("the workspace is stopping"));
                    }
                    start(&session.socket, version, fds, &self.env)
                });
                match started {
                    Ok(pid) => session.pid = Some(pid),
                    Err(error) => {
                        let _ = wire::send(&session.socket, &ExecReply::Refused(error.to_string()), &[]);
                        self.sessions.swap_remove(index);
                    }
                }
            }
            Some(pid) => {
                if let Ok(Some((Kill(signal), _))) = wire::receive(&session.socket) {
                    if let Some(signal) = Signal::from_named_raw(signal) {
                        let _ = kill_process_group(pid, signal);
                    }
                } else {
                    let _ = kill_process_group(pid, Signal::HUP);
                    let _ = kill_process_group(pid, Signal::CONT);
                    self.abandoned.push((pid, Instant::now() + HANGUP));
                    self.sessions.swap_remove(index);
                }
            }
        }
    }

    fn kill_abandoned(&mut self) {
        let now = Instant::now();
        for (pid, _) in self.abandoned.extract_if(.., |(_, at)| *at <= now) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Handles signals; true when the sandbox is to end and nothing runs any more.
    fn reap(&mut self) -> bool {
        while let Some(caught) = sys::next_signal(&self.signals) {
            // Only the host may end the sandbox this way.
            if caught.signal == Signal::TERM.as_raw() && caught.from_outside {
                self.stopping = true;
                for signal in [Signal::TERM, Signal::HUP, Signal::CONT] {
                    sys::kill_everyone(signal);
                }
            }
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.ended(pid, status),
                Ok(None) => return false,
                // Orphans become children of PID 1: without a child, it is alone.
                Err(_) => return self.stopping,
            }
        }
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        self.abandoned.retain(|(abandoned, _)| *abandoned != pid);
        if let Some(index) = self.sessions.iter().position(|session| session.pid == Some(pid)) {
            let session = self.sessions.swap_remove(index);
            let code =
                status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
            let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
            let _ = wire::send(&session.socket, &ExecReply::Exited(code), &[]);
        }
    }
}

/// Starts the program that a client asks for, and tells it so.
fn start(socket: &OwnedFd, version: u32, fds: Vec<OwnedFd>, env: &[(String, String)]) -> io::Result<Pid> {
    if version != EXEC_VERSION {
        return Err(io::Error::other("another version of kdn started this workspace; restart it"));
    }
    let mut fds = fds.into_iter();
    let memory = fds.next().ok_or(io::ErrorKind::InvalidInput)?;
    let request: ExecRequest = wire::from_memory(&memory.into())?;
    if request.argv.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let streams = if let Some(size) = request.tty {
        Streams::Terminal(Terminal::open(size)?)
    } else {
        let fds: Vec<OwnedFd> = fds.collect();
        Streams::Given(fds.try_into().map_err(|_| io::ErrorKind::InvalidInput)?)
    };
    let pid = session::spawn(&request, &streams, env)?;
    match &streams {
        // A client that has gone meanwhile is noticed when its socket is read.
        Streams::Terminal(terminal) => {
            _ = wire::send(socket, &ExecReply::Started, &[terminal.master.as_fd()]);
        }
        Streams::Given(_) => _ = wire::send(socket, &ExecReply::Started, &[]),
    }
    Ok(pid)
}

/// A socket of this network namespace on its way to a port; whoever gets it waits for the connection.
fn connecting(port: u16, v6: bool) -> rustix::io::Result<OwnedFd> {
    let (family, address): (_, IpAddr) = if v6 {
        (AddressFamily::INET6, Ipv6Addr::LOCALHOST.into())
    } else {
        (AddressFamily::INET, Ipv4Addr::LOCALHOST.into())
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match connect(&socket, &SocketAddr::new(address, port)) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}
