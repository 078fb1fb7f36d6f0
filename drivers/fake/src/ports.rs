//! The host ports of an instance. Nothing listens on them, since no process outlives the driver; they are chosen,
//! kept and checked as if.

use std::{
    collections::HashSet,
    net::{IpAddr, TcpListener},
};

use kdn_protocol::{Error, ErrorKind, Forward, Port};

use crate::record::Book;

/// Whether the ports can be forwarded at all.
pub(crate) fn check(ports: &[Port]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
        if port.protocol != "tcp" {
            let message = format!("forwarding {:?} ports is not supported, only \"tcp\"", port.protocol);
            return Err(Error::unsupported(message).field(format!("ports[{i}].protocol")));
        }
        if let Some(host) = port.host
            && !seen.insert((port.bind, host))
        {
            let message = format!("host port {}:{host} is there twice", port.bind);
            return Err(Error::invalid_workspace(format!("ports[{i}].host"), message));
        }
        if let Err(error) = TcpListener::bind((port.bind, 0)) {
            let message = format!("can't listen on {}: {error}", port.bind);
            return Err(Error::invalid_workspace(format!("ports[{i}].bind"), message));
        }
    }
    Ok(())
}

/// Gives each port its host port: the one that it asks for, or a free one that no instance has.
pub(crate) fn choose(ports: &[Port], book: &Book) -> Result<Vec<Forward>, Error> {
    let forwards = book.instances.values().flat_map(|record| &record.forwards);
    let mut taken: HashSet<u16> = forwards.map(|forward| forward.port).collect();
    taken.extend(ports.iter().filter_map(|port| port.host));
    let forward = |port: &Port| {
        let host = match port.host {
            Some(host) => host,
            None => free(port.bind, &mut taken)?,
        };
        Ok(Forward::new(port.bind, host, port.target))
    };
    ports.iter().map(forward).collect()
}

fn free(bind: IpAddr, taken: &mut HashSet<u16>) -> Result<u16, Error> {
    // Held until one is found, so that the system offers another one each time.
    let mut held = Vec::new();
    loop {
        let listener = TcpListener::bind((bind, 0)).map_err(|error| {
            let message = format!("no free port on {bind}: {error}");
            Error::new(ErrorKind::Unavailable, message).hint("end programs that hold many ports")
        })?;
        let port = listener.local_addr()?.port();
        if taken.insert(port) {
            return Ok(port);
        }
        held.push(listener);
    }
}

/// Whether the ports of the instance `id` are free now: nobody listens, and no running instance has them.
pub(crate) fn check_free(id: &str, book: &Book) -> Result<(), Error> {
    let Some(record) = book.instances.get(id) else { return Ok(()) };
    for forward in &record.forwards {
        let (bind, port) = (forward.bind, forward.port);
        let holder = book.instances.values().find(|other| {
            other.id != id
                && other.state == kdn_protocol::State::Running
                && other.forwards.iter().any(|theirs| clash(theirs, forward))
        });
        let why = match (holder, TcpListener::bind((bind, port))) {
            (Some(other), _) => format!("instance {} has it", other.id),
            (None, Err(error)) => error.to_string(),
            (None, Ok(_)) => continue,
        };
        let message = format!("port {port} on {bind} is not free: {why}");
        return Err(
            Error::new(ErrorKind::Unavailable, message).hint(format!("end what listens on port {port}"))
        );
    }
    Ok(())
}

fn clash(a: &Forward, b: &Forward) -> bool {
    a.port == b.port && (a.bind == b.bind || a.bind.is_unspecified() || b.bind.is_unspecified())
}
