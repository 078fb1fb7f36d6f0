//! The host ports of an instance, chosen at `create`.

use std::collections::HashSet;
use std::net::{IpAddr, TcpListener};

use kdn_protocol::{Forward, Port};

use super::{Facts, INSTANCE};
use crate::engine::Container;
use crate::error::{Error, ErrorKind, Result};

/// Gives each port its host port: the one that it asks for, or a free one that no instance has.
pub(super) fn choose(ports: &[Port], others: &[Container]) -> Result<Vec<Forward>> {
    let facts = others.iter().filter_map(|other| other.labels.get(INSTANCE));
    let facts = facts.filter_map(|label| serde_json::from_str::<Facts>(label).ok());
    let mut taken: HashSet<u16> =
        facts.flat_map(|facts| facts.forwards).map(|forward| forward.port).collect();
    let mut given = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        if let Some(host) = port.host
            && !given.insert((port.bind, host))
        {
            let message = format!("host port {}:{host} is there twice", port.bind);
            return Err(Error::invalid_workspace(format!("ports[{index}].host"), message));
        }
    }
    taken.extend(given.iter().map(|(_, host)| host));
    let forward = |port: &Port| {
        let host = match port.host {
            Some(host) => host,
            None => free(port.bind, &mut taken)?,
        };
        Ok(Forward::new(port.bind, host, port.target))
    };
    ports.iter().map(forward).collect()
}

fn free(bind: IpAddr, taken: &mut HashSet<u16>) -> Result<u16> {
    // Held until one is found, so that the system offers another one each time.
    let mut held = Vec::new();
    loop {
        let failed = |error: std::io::Error| {
            Error::new(
                ErrorKind::Unavailable,
                format!("failed to allocate host ports: no free port on {bind}: {error}"),
            )
            .hint("end programs that hold many ports, or bind to an address of this machine")
        };
        let listener = TcpListener::bind((bind, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        if taken.insert(port) {
            return Ok(port);
        }
        held.push(listener);
    }
}

/// The argument that publishes a port.
pub(super) fn publish(forward: &Forward) -> String {
    let bind = match forward.bind {
        IpAddr::V4(bind) => bind.to_string(),
        IpAddr::V6(bind) => format!("[{bind}]"),
    };
    format!("--publish={bind}:{}:{}/tcp", forward.port, forward.target)
}
