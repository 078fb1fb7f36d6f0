//! PID 1 of a sandbox: it builds the file tree, gives up every privilege and serves exec.

mod confine;
mod seccomp;
mod server;
mod session;
mod syscalls;
mod tree;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Mode;
use rustix::process::{Gid, Uid};
use rustix::stdio::{dup2_stdin, dup2_stdout};

use crate::error::{Doing, Error, Result};
use crate::plan::{AGENT_ID, Plan, SOURCES};
use crate::wire::{self, Order, Report};
use crate::{limits, sys};

pub use tree::{IdMaps, Opened, bind, find, open};

/// What PID 1 inherits from the supervisor.
#[expect(missing_debug_implementations, reason = "it holds secrets")]
pub struct Inherited {
    pub plan: Plan,
    /// The host's part of the tree, when the supervisor had to open it; else PID 1 does.
    pub opened: Option<Vec<Opened>>,
    /// Whether the agent's id has to be taken on, because the caller is root.
    pub change_id: bool,
    pub confinement: limits::Confinement,
    pub control: OwnedFd,
    pub listener: OwnedFd,
}

/// Runs in the child that the supervisor cloned, and never returns.
pub fn run(inherited: Inherited) -> ! {
    let code = match enter(inherited) {
        Ok(server) => server.serve(),
        Err(()) => 1,
    };
    std::process::exit(code)
}

fn enter(inherited: Inherited) -> Result<server::Server, ()> {
    let Inherited { plan, opened, change_id, confinement, control, listener } = inherited;
    if !matches!(wire::receive(&control), Ok(Some((Order::Go, _)))) {
        return Err(());
    }
    let prepare = || -> Result<OwnedFd> {
        if change_id {
            become_agent()?;
        }
        rustix::process::umask(Mode::from_raw_mode(0o022));
        rustix::system::sethostname(plan.hostname.as_bytes()).doing("set the host name")?;
        if !plan.share_network {
            sys::loopback_up().doing("bring up the loopback interface")?;
        }
        let opened = match opened {
            Some(opened) => opened,
            None => open(&plan.entries, None)?,
        };
        tree::build(opened)?;
        std::env::set_current_dir(SOURCES).doing("enter the sources")?;
        let signals = server::signals()?;
        let null = File::options().read(true).write(true).open("/dev/null").doing("open /dev/null")?;
        dup2_stdin(&null).doing("replace the standard input")?;
        dup2_stdout(&null).doing("replace the standard output")?;
        sys::close_all_but(&[control.as_fd(), listener.as_fd(), signals.as_fd()]);
        std::mem::forget(null);
        confine::confine(&plan.entries, &confinement)?;
        Ok(signals)
    };
    let report = |report: &Report| wire::send(&control, report, &[]).map_err(|_| ());
    match prepare() {
        Ok(signals) => {
            report(&Report::Ready)?;
            Ok(server::Server::new(plan.env, control, listener, signals))
        }
        Err(error) => {
            report(&Report::Failed(error))?;
            Err(())
        }
    }
}

/// Leaves the caller's ids. The capabilities of the new user namespace stay, since root is not mapped in it.
fn become_agent() -> Result<(), Error> {
    let (uid, gid) = (Uid::from_raw(AGENT_ID), Gid::from_raw(AGENT_ID));
    rustix::thread::set_thread_groups(&[]).doing("drop the caller's groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing("take on the agent's group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing("take on the agent's user")
}
