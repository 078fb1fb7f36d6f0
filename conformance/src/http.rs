//! A small HTTP server of the host that keeps what it was asked.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{host_ports, stop::Stop};

#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Listens on a free port of all addresses.
    pub(crate) fn start() -> Result<Self, Stop> {
        let listener = host_ports::listen(Ipv4Addr::UNSPECIFIED)?;
        let port = listener.local_addr()?.port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Ok(Self { port, requests })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The last request for this path: its line and its headers.
    pub(crate) fn last(&self, path: &str) -> Option<String> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests
            .iter()
            .rev()
            .find(|request| request.lines().next().is_some_and(|line| line.contains(path)))
            .cloned()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let Ok(reading) = stream.try_clone() else { return };
    let lines = BufReader::new(reading).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let request = lines.collect::<Vec<_>>().join("\n");
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
}

/// Another name under which a workspace reaches the same machine.
pub(crate) fn another_name_of(host: &str) -> Option<String> {
    match host {
        "localhost" => Some("127.0.0.1".into()),
        _ => own_address(),
    }
}

/// An address of this machine that is not the loopback's.
pub(crate) fn own_address() -> Option<String> {
    // Nothing is sent: connecting only chooses the address.
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then(|| address.to_string())
}
