//! The host ports of an instance: what can be forwarded, and which ports are chosen at `create`.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, TcpListener},
};

use kdn_protocol::{Error, ErrorKind, Forward, Port};

use crate::record::Book;

/// Where the programs of an instance listen.
pub(crate) const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whether the ports can be forwarded at all.
pub(crate) fn check(ports: &[Port]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
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
        let is_target = |host: u16| ports.iter().any(|other| other.target == host);
        let covers = port.bind == INSIDE || port.bind.is_unspecified();
        let is_itself = port.bind == INSIDE && port.host == Some(port.target);
        if let Some(host) = port.host
            && covers
            && is_target(host)
            && !is_itself
        {
            let message =
                format!("host port {}:{host} is where a program of the instance listens", port.bind);
            return Err(Error::invalid_workspace(format!("ports[{i}].host"), message)
                .hint("take another host port: nothing is isolated here"));
        }
    }
    Ok(())
}

/// Gives each port its host port: the one that it asks for, or a free one that no instance has.
pub(crate) fn choose(ports: &[Port], book: &Book) -> Result<Vec<Forward>, Error> {
    let forwards = book.instances.values().flat_map(|record| &record.forwards);
    let mut taken: HashSet<u16> = forwards.map(|forward| forward.port).collect();
    taken.extend(ports.iter().filter_map(|port| port.host));
    taken.extend(ports.iter().map(|port| port.target));
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
