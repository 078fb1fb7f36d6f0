//! Cuts a network namespace off: its loopback interface comes up, all others go down. What runs inside without the right
//! to configure interfaces can't undo it.

use std::ffi::OsStr;

use crate::error::Result;

/// The argument that chooses this role; the path of the namespace follows.
pub const CUT_OFF: &str = "cut-off";

#[cfg(target_os = "linux")]
pub(super) fn cut_off(space: &OsStr) -> Result<()> {
    use std::os::fd::AsFd;

    use rustix::net::{
        AddressFamily, SocketFlags, SocketType, netdevice::name_to_index, socket, socket_with,
    };
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

    use crate::error::Doing;

    let io = std::io::Error::from;
    let space = std::fs::File::open(space).doing("open the network namespace")?;
    move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(io)
        .doing("enter the network namespace")?;
    let any = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    let any = any.map_err(io).doing("open a socket")?;
    // The first protocol of netlink is that of interfaces and routes.
    let wire =
        socket(AddressFamily::NETLINK, SocketType::RAW, None).map_err(io).doing("open a netlink socket")?;
    let table = std::fs::read_to_string("/proc/self/net/dev").doing("read the interfaces")?;
    for name in table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())) {
        let index = name_to_index(&any, name).map_err(io).doing(name)?;
        set(&wire, index, name == "lo").doing(name)?;
    }
    Ok(())
}

/// Brings an interface up or down.
#[cfg(target_os = "linux")]
fn set(wire: &std::os::fd::OwnedFd, index: u32, up: bool) -> std::io::Result<()> {
    use rustix::net::{RecvFlags, SendFlags, recv, send};

    const UP: u32 = 1;
    // RTM_NEWLINK with NLM_F_REQUEST and NLM_F_ACK.
    let mut message = Vec::new();
    for half in [32_u16, 0, 16, 5, 1, 0, 0, 0, 0, 0] {
        message.extend(half.to_ne_bytes());
    }
    for word in [index, if up { UP } else { 0 }, UP] {
        message.extend(word.to_ne_bytes());
    }
    send(wire, &message, SendFlags::empty())?;
    let mut answer = [0; 512];
    let (length, _) = recv(wire, &mut answer, RecvFlags::empty())?;
    match answer.get(16..20).filter(|_| length >= 20).map(<[u8; 4]>::try_from) {
        Some(Ok([0, 0, 0, 0])) => Ok(()),
        Some(Ok(code)) => Err(std::io::Error::from_raw_os_error(-i32::from_ne_bytes(code))),
        _ => Err(std::io::Error::other("the kernel answered with too little")),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn cut_off(_: &OsStr) -> Result<()> {
    Err(crate::error::Error::internal("there are no network namespaces here"))
}
