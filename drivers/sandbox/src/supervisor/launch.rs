//! Clones PID 1 into its namespaces, gives it its ids and limits, and waits until it is confined.

use std::io;
use std::os::fd::OwnedFd;

use linux_raw_sys::general::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::identity::{self, Identity};
use crate::error::{Doing, Error, Result};
use crate::file;
use crate::init::{self, Inherited};
use crate::limits::{Groups, Means};
use crate::plan::{AGENT_ID, Plan};
use crate::sys::{self, Cloned, Forked};
use crate::wire::{self, Order, Report};

/// A sandbox whose PID 1 is ready.
#[derive(Debug)]
pub struct Running {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    /// When this closes, PID 1 exits and all of the sandbox with it.
    pub control: OwnedFd,
    pub groups: Groups,
}

pub fn launch(plan: Plan, listener: OwnedFd) -> Result<Running> {
    let identity = identity::choose(&plan)?;
    let name = format!("kdn-{}-{}", plan.label, std::process::id());
    let (groups, confinement) = Means::find().apply(&plan.limits, &name)?;
    let result = clone(plan, listener, &identity, &groups, confinement);
    if result.is_err() {
        groups.remove();
    }
    let (Cloned { pid, pidfd }, control) = result?;
    Ok(Running { pid, pidfd, control, groups })
}

fn clone(
    plan: Plan,
    listener: OwnedFd,
    identity: &Identity,
    groups: &Groups,
    confinement: crate::limits::Confinement,
) -> Result<(Cloned, OwnedFd)> {
    // The caller's rights are needed to open its files, and PID 1 will not have them when the caller is root.
    let opened = match identity {
        Identity::Caller { .. } => None,
        Identity::Owner { .. } => Some(init::open(&plan.entries, None)?),
        Identity::Mapped(maps) => Some(init::open(&plan.entries, Some(maps))?),
    };
    let (control, inside) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .doing("make a socket pair")?;
    let mut namespaces =
        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    if !plan.share_network {
        namespaces |= CLONE_NEWNET;
    }
    let cloned = match sys::clone_into(namespaces.into()).doing("make the namespaces")? {
        Forked::Parent(cloned) => cloned,
        Forked::Child => {
            drop(control);
            let change_id = !matches!(identity, Identity::Caller { .. });
            init::run(Inherited { plan, opened, change_id, confinement, control: inside, listener })
        }
    };
    drop(inside);
    let ready = give_identity(cloned.pid, identity)
        .doing("map the agent's user")
        .and_then(|()| groups.add(cloned.pid))
        .and_then(|()| wire::send(&control, &Order::Go, &[]).doing("let PID 1 go on"))
        .and_then(|()| hear_ready(&control));
    if let Err(error) = ready {
        let _ = pidfd_send_signal(&cloned.pidfd, Signal::KILL);
        // The namespaces, and with them the groups' processes, are gone only then.
        let _ = waitid(WaitId::Pid(cloned.pid), WaitIdOptions::EXITED);
        return Err(error);
    }
    Ok((cloned, control))
}

/// Writes the new user namespace's maps: exactly one user and one group exist inside.
fn give_identity(pid: Pid, identity: &Identity) -> io::Result<()> {
    let (uid, gid, deny_groups) = match identity {
        Identity::Caller { uid, gid } => (*uid, *gid, true),
        // PID 1 has to drop root's supplementary groups first, and then has no right to set any.
        Identity::Owner { uid, gid } => (*uid, *gid, false),
        Identity::Mapped(_) => (identity::NOBODY, identity::NOBODY, false),
    };
    write_maps(pid, (AGENT_ID, AGENT_ID), (uid, gid), deny_groups)
}

/// Maps one (user, group) of a new user namespace to one outside.
pub(super) fn write_maps(
    pid: Pid,
    inside: (u32, u32),
    outside: (u32, u32),
    deny_groups: bool,
) -> io::Result<()> {
    let file = |name: &str| format!("/proc/{}/{name}", pid.as_raw_nonzero());
    if deny_groups {
        file::write(file("setgroups"), "deny")?;
    }
    file::write(file("uid_map"), format!("{} {} 1", inside.0, outside.0))?;
    file::write(file("gid_map"), format!("{} {} 1", inside.1, outside.1))
}

fn hear_ready(control: &OwnedFd) -> Result<()> {
    match wire::receive(control).doing("hear from PID 1")? {
        Some((Report::Ready, _)) => Ok(()),
        Some((Report::Failed(error), _)) => Err(error),
        Some((Report::Connected(_), _)) | None => Err(Error::internal("PID 1 ended without a word")),
    }
}
