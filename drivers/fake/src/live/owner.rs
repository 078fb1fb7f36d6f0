//! Whose a connection over loopback is: the ports of this machine are open to all of its users.

use std::{
    fs, io,
    net::{SocketAddr, SocketAddrV4},
};

use tokio::net::TcpStream;

/// Whether the other end belongs to a process of this user.
pub(super) fn is_own(client: &TcpStream) -> io::Result<bool> {
    let (SocketAddr::V4(theirs), SocketAddr::V4(ours)) = (client.peer_addr()?, client.local_addr()?) else {
        return Ok(false);
    };
    // The kernel's table has a row for each end; its columns are number, local and remote address, state, queues,
    // timer, retransmissions, user.
    let ends = format!("{} {} ", hexadecimal(theirs), hexadecimal(ours));
    let table = fs::read_to_string("/proc/net/tcp")?;
    let row = table.lines().find_map(|line| line.split_once(": ")?.1.strip_prefix(&ends));
    let user = row.and_then(|row| row.split_ascii_whitespace().nth(4)?.parse().ok());
    Ok(user == Some(rustix::process::geteuid().as_raw()))
}

fn hexadecimal(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}
