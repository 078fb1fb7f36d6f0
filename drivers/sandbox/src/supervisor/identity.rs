//! Who the agent is on the host: never root, and the files that it makes belong to the owner of the sources.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};

use linux_raw_sys::general::CLONE_NEWUSER;
use rustix::fs::fstat;
use rustix::process::{Signal, WaitId, WaitIdOptions, getegid, geteuid, pidfd_send_signal, waitid};

use super::launch::write_maps;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::init::{self, IdMaps};
use crate::plan::{Access, Entry, Plan};
use crate::sys::{self, Forked};

/// The host id of an agent whose files are mapped. Nothing else on a machine has it.
pub(super) const NOBODY: u32 = 0x7000_0000;

/// The host ids behind the agent's.
#[derive(Debug)]
pub(super) enum Identity {
    /// The ordinary user who runs kdn.
    Caller { uid: u32, gid: u32 },
    /// Root runs kdn: an id of nobody's, to which mounts show the owner's files as its own.
    Mapped(IdMaps),
    /// Root runs kdn where mounts can't do that: the owner of the sources.
    Owner { uid: u32, gid: u32 },
}

pub(super) fn choose(plan: &Plan) -> Result<Identity> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    // Root of a container whose ids are mapped is an ordinary user of the host.
    if uid != 0 || !is_whole(&fs::read_to_string("/proc/self/uid_map").doing("read the user map")?) {
        return Ok(Identity::Caller { uid, gid });
    }
    let sources = plan.sources().ok_or_else(|| Error::internal("a plan without sources"))?;
    let (owner, group) = owner(sources).doing(format_args!("look at {sources}"))?;
    match maps(plan) {
        Ok(maps) if init::bind(sources, Access::ReadWrite, Some(&maps)).is_ok() => Ok(Identity::Mapped(maps)),
        _ if owner != 0 => Ok(Identity::Owner { uid: owner, gid: group }),
        _ => {
            let message =
                format!("the agent would be the host's root: the filesystem of {sources} can't map owners");
            let hint = format!("run kdn as an ordinary user, or give {sources} to one (chown -R)");
            Err(Error::new(ErrorKind::Unavailable, message).hint(hint))
        }
    }
}

fn is_whole(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

fn owner(source: &str) -> io::Result<(u32, u32)> {
    let status = fstat(init::find(source)?)?;
    Ok((status.st_uid, status.st_gid))
}

/// A user namespace for each owner of the user's files in the plan.
fn maps(plan: &Plan) -> io::Result<IdMaps> {
    let owners: HashSet<_> = plan
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Bind { source, access: Access::ReadOnly | Access::ReadWrite, .. } => owner(source).ok(),
            _ => None,
        })
        .collect();
    owners.into_iter().map(|owner| Ok((owner, map(owner)?))).collect()
}

/// Makes a user namespace that maps one owner to the agent; a process is needed only while it is made.
fn map(owner: (u32, u32)) -> io::Result<std::os::fd::OwnedFd> {
    let (mut wait, go) = io::pipe()?;
    match sys::clone_into(CLONE_NEWUSER.into())? {
        Forked::Child => {
            drop(go);
            let _ = wait.read(&mut [0]);
            std::process::exit(0)
        }
        Forked::Parent(child) => {
            // In this direction: the owner on disk, and whom the mount shows instead.
            let made = write_maps(child.pid, owner, (NOBODY, NOBODY), false)
                .and_then(|()| fs::File::open(format!("/proc/{}/ns/user", child.pid.as_raw_nonzero())));
            let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
            let _ = waitid(WaitId::Pid(child.pid), WaitIdOptions::EXITED);
            Ok(made?.into())
        }
    }
}
