//! Messages with descriptors over `SOCK_SEQPACKET` sockets: exec client to PID 1, and PID 1 to supervisor.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// Version of the conversation between the exec client and PID 1.
pub const EXEC_VERSION: u32 = 1;

/// The most that one message carries; what is larger goes into a file in memory.
const MAX_MESSAGE: usize = 4096;
const MAX_FDS: usize = 4;
/// The most that a request in memory may hold: arguments and environment of one program.
const MAX_REQUEST: u64 = 8 << 20;

/// What the exec client asks for; it comes as a file in memory, because arguments may be longer than a message.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExecRequest {
    pub argv: Vec<String>,
    /// Of the user's environment, only the terminal's type and language.
    pub env: Vec<(String, String)>,
    /// Rows and columns when a terminal is wanted. Otherwise three descriptors follow: standard streams.
    pub tty: Option<(u16, u16)>,
}

/// What PID 1 tells the exec client.
#[derive(Debug, Serialize, Deserialize)]
pub enum ExecReply {
    /// The program runs; with a terminal, its master side comes along.
    Started,
    Refused(String),
    /// It ended with this code, 128 + n for death by signal n.
    Exited(u8),
}

/// What the exec client may send after its request: a signal for the program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kill(pub i32);

/// What the supervisor tells PID 1.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The user namespace's maps are written: go on.
    Go,
    /// Make a socket that connects to this port of the sandbox.
    Connect { port: u16, v6: bool },
}

/// What PID 1 tells the supervisor. It comes from the confined side: nothing in it is trusted.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    Ready,
    Failed(crate::error::Error),
    /// The socket comes along when there is no error.
    Connected(Option<i32>),
}

/// Sends one message. Never raises SIGPIPE.
pub fn send<T: Serialize>(socket: impl AsFd, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message; `None` when the other side has gone.
pub fn receive<T: for<'a> Deserialize<'a>>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = [0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let got = loop {
        match recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            got => break got?,
        }
    };
    let fds = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if got.bytes == 0 {
        return Ok(None);
    }
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("message too long"));
    }
    Ok(Some((serde_json::from_slice(&bytes[..got.bytes])?, fds)))
}

/// Puts a value into a file in memory, to be passed along.
pub fn into_memory<T: Serialize>(value: &T) -> io::Result<File> {
    let mut file = File::from(memfd_create("kdn-exec", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(value)?)?;
    Ok(file)
}

/// Reads back what [`into_memory`] wrote.
pub fn from_memory<T: for<'a> Deserialize<'a>>(file: &File) -> io::Result<T> {
    struct At<'a>(&'a File, u64);
    impl Read for At<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read_at(buffer, self.1)?;
            self.1 += read as u64;
            Ok(read)
        }
    }
    let mut bytes = Vec::new();
    At(file, 0).take(MAX_REQUEST).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}
