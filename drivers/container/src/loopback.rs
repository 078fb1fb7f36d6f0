//! This executable in another role: it brings up the loopback interface of another process's network namespace.

use std::process::ExitCode;

use crate::error::{Doing, Error, Result};

/// The argument that chooses this role; the id of the process follows.
pub const ROLE: &str = "loopback";

/// Plays the role, if it is asked for.
pub fn role() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some(ROLE) {
        return None;
    }
    let raised =
        args.next().ok_or_else(|| Error::internal("no process is named")).and_then(|process| raise(&process));
    Some(match raised {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    })
}

#[cfg(target_os = "linux")]
fn raise(process: &str) -> Result<()> {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

    // RTM_NEWLINK with NLM_F_REQUEST and NLM_F_ACK, about interface 1, with IFF_UP set and changed.
    let mut message = Vec::new();
    for half in [32_u16, 0, 16, 5, 1, 0, 0, 0, 0, 0] {
        message.extend(half.to_ne_bytes());
    }
    for word in [1_u32, 1, 1] {
        message.extend(word.to_ne_bytes());
    }
    let io = std::io::Error::from;
    let space = std::fs::File::open(format!("/proc/{process}/ns/net")).doing("open the network namespace")?;
    move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(LinkNameSpaceType::Network))
        .map_err(io)
        .doing("enter the network namespace")?;
    // The first protocol of netlink is that of interfaces and routes.
    let wire = socket(AddressFamily::NETLINK, SocketType::RAW, None);
    let wire = wire.map_err(io).doing("open a netlink socket")?;
    send(&wire, &message, SendFlags::empty()).map_err(io).doing("ask the kernel")?;
    let mut answer = [0; 512];
    let (length, _) = recv(&wire, &mut answer, RecvFlags::empty()).map_err(io).doing("hear the kernel")?;
    match answer
        .get(16..20)
        .filter(|_| length >= 20)
        .map(|bytes| i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    {
        Some(0) => Ok(()),
        Some(code) => Err(std::io::Error::from_raw_os_error(-code)).doing("bring up the interface"),
        None => Err(Error::internal("the kernel answered with too little")),
    }
}

#[cfg(not(target_os = "linux"))]
fn raise(_: &str) -> Result<()> {
    Err(Error::internal("there are no network namespaces here"))
}
