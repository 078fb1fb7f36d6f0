//! Forwarding of ports, both ways until both ends have finished.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use kdn_protocol::{Error, ErrorKind, Forward};
use tokio::net::TcpStream;

use crate::ports;

/// Host ports that are taken, and where they lead.
pub(super) struct Listeners(Vec<(TcpListener, u16)>);

impl Listeners {
    pub(super) fn bind(forwards: &[Forward]) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for forward in forwards {
            let listener = listen(forward)?;
            // A port that is its own target must stay free for the program.
            if !(forward.bind == ports::INSIDE && forward.port == forward.target) {
                listeners.push((listener, forward.target));
            }
        }
        Ok(Self(listeners))
    }

    /// Forwards in tasks of its own.
    pub(super) fn serve(self) -> io::Result<()> {
        for (listener, target) in self.0 {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::task::spawn_local(async move {
                loop {
                    match listener.accept().await {
                        Ok((client, _)) => drop(tokio::task::spawn_local(relay(client, target))),
                        // Out of descriptors, most likely; they come back when connections end.
                        Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                }
            });
        }
        Ok(())
    }
}

fn listen(forward: &Forward) -> Result<TcpListener, Error> {
    let Forward { bind, port, .. } = forward;
    let listen = || -> io::Result<TcpListener> {
        let listener = TcpListener::bind(SocketAddr::new(*bind, *port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|error| {
        let message = format!("port {port} on {bind} is not free: {error}");
        Error::new(ErrorKind::Unavailable, message).hint(format!("end what listens on port {port}"))
    })
}

async fn relay(mut client: TcpStream, target: u16) -> io::Result<()> {
    let inside = [SocketAddr::from((Ipv4Addr::LOCALHOST, target)), (Ipv6Addr::LOCALHOST, target).into()];
    let mut program = TcpStream::connect(&inside[..]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut program).await?;
    Ok(())
}
