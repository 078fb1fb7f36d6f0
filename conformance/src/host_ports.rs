//! The ports of this machine, from which all checks draw that run at the same time.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Mutex, MutexGuard, PoisonError},
};

static ALONE: Mutex<()> = Mutex::new(());

/// To be held from the choice of a host port until somebody listens there: meanwhile no other check takes a port.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens on a free port.
pub(crate) fn listen(address: Ipv4Addr) -> io::Result<TcpListener> {
    let _alone = alone();
    TcpListener::bind((address, 0))
}

/// Connects to a port of this machine; this end has a port, too.
pub(crate) fn connect(port: u16) -> io::Result<TcpStream> {
    let _alone = alone();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
}
