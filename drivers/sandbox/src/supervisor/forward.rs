//! Forwards ports of the host into the sandbox, over sockets that PID 1 makes inside and passes out.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kdn_protocol::Forward;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::plan::Plan;
use crate::wire::{self, Order, Report};

/// How long a connection inside may take; it goes over a loopback interface.
const CONNECT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Host ports that are taken, and where they lead.
pub(super) struct Listeners(Vec<(TcpListener, u16)>);

impl Listeners {
    pub(super) fn bind(plan: &Plan) -> Result<Self> {
        let mut listeners = Vec::new();
        for forward in &plan.forwards {
            let listener = listen(forward)?;
            // On the host's network the program's own port is the host's: it must stay free for it.
            if !(plan.share_network && forward.port == forward.target) {
                listeners.push((listener, forward.target));
            }
        }
        Ok(Self(listeners))
    }

    /// Forwards from threads of its own, for as long as the process lives.
    pub(super) fn serve(self, control: Mutex<OwnedFd>) {
        let control = Arc::new(control);
        for (listener, target) in self.0 {
            let control = Arc::clone(&control);
            thread::spawn(move || accept(&listener, target, &control));
        }
        // Without a port to forward this is the last owner, and closing it would end PID 1.
        std::mem::forget(control);
    }
}

fn listen(forward: &Forward) -> Result<TcpListener> {
    let Forward { bind, port, .. } = forward;
    TcpListener::bind(SocketAddr::new(*bind, *port)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Error::new(ErrorKind::Unavailable, format!("port {port} of {bind} is in use")).hint(format!(
                "end what listens there (ss -ltnp 'sport = :{port}'), or make the workspace with another port"
            ))
        }
        _ => {
            Error::new(ErrorKind::Unavailable, format!("port {port} of {bind} can't be listened on: {error}"))
        }
    })
}

fn accept(listener: &TcpListener, target: u16, control: &Mutex<OwnedFd>) {
    loop {
        let Ok((client, _)) = listener.accept() else {
            // Out of descriptors, most likely; they come back when connections end.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if let Ok(inside) = connect(control, target) {
            // A connection that can't have its threads is closed, which is what its client would see of a full server.
            let _ = relay(client, inside);
        }
    }
}

/// Has PID 1 connect to a port inside, by IPv4 and then by IPv6.
fn connect(control: &Mutex<OwnedFd>, port: u16) -> Result<TcpStream> {
    let attempt = |v6| -> Result<TcpStream> {
        let socket = ask(control, &Order::Connect { port, v6 }).doing("connect inside")?;
        let mut fds = [PollFd::new(&socket, PollFlags::OUT)];
        poll(&mut fds, Some(&CONNECT)).doing("connect inside")?;
        let stream = TcpStream::from(socket);
        if let Some(error) = stream.take_error().doing("connect inside")? {
            return Err(error).doing("connect inside");
        }
        stream.set_nonblocking(false).doing("connect inside")?;
        Ok(stream)
    };
    attempt(false).or_else(|_| attempt(true))
}

fn ask(control: &Mutex<OwnedFd>, order: &Order) -> io::Result<OwnedFd> {
    let control = control.lock().unwrap_or_else(PoisonError::into_inner);
    wire::send(&*control, order, &[])?;
    match wire::receive(&*control)? {
        Some((Report::Connected(None), mut fds)) => {
            fds.pop().ok_or_else(|| io::Error::other("no socket came"))
        }
        Some((Report::Connected(Some(errno)), _)) => Err(io::Error::from_raw_os_error(errno)),
        _ => Err(io::Error::other("PID 1 has gone")),
    }
}

/// Copies both ways until both sides have finished.
fn relay(client: TcpStream, inside: TcpStream) -> io::Result<()> {
    let (from, to) = (client.try_clone()?, inside.try_clone()?);
    thread::Builder::new().spawn(move || copy(from, to))?;
    thread::Builder::new().spawn(move || copy(inside, client))?;
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
