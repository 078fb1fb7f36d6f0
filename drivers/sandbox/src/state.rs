//! `state.json`: what the supervisor writes about a running sandbox, and whether it is still true.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, Result};
use crate::limits::Groups;
use crate::wire::EXEC_VERSION;
use crate::{file, sys};

/// File names in the folder of an instance.
pub const STATE: &str = "state.json";
pub const LOCK: &str = "lock";
pub const SOCKET: &str = "exec.sock";

/// How long the kernel may take to end killed processes.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often the time is looked at while a process is waited for.
const TICK: Duration = Duration::from_millis(50);

/// Version of the file. Fields are only ever added, so that a newer driver can still look at an older sandbox and stop it.
const VERSION: u32 = 1;

/// A process that can be told from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    pub pid: i32,
    /// Clock ticks from boot to its start.
    pub start_time: u64,
}

/// A sandbox that runs, or ran last.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub version: u32,
    pub exec_version: u32,
    pub boot_id: String,
    pub supervisor: Process,
    pub init: Process,
    /// Control groups made for it.
    #[serde(default)]
    pub cgroups: Vec<PathBuf>,
    /// Why it ended, when nobody had asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// What is true of an instance now.
#[derive(Debug)]
pub enum Liveness {
    Running(State),
    /// Holds what is left of the last run, if anything.
    Stopped(Option<State>),
    /// Someone is starting or removing it.
    Changing,
}

impl Process {
    pub fn of(pid: Pid) -> io::Result<Self> {
        Ok(Self { pid: pid.as_raw_nonzero().get(), start_time: start_time(pid)? })
    }

    /// A descriptor of this very process; `None` when it has ended, whoever has its pid now.
    pub fn open(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(self.pid)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Read after the descriptor was made: if the start time is right, the descriptor is of the right process.
        (start_time(pid).ok()? == self.start_time).then_some(pidfd)
    }
}

impl State {
    pub fn new(supervisor: Process, init: Process, cgroups: Vec<PathBuf>) -> io::Result<Self> {
        let boot_id = boot_id()?;
        Ok(Self {
            version: VERSION,
            exec_version: EXEC_VERSION,
            boot_id,
            supervisor,
            init,
            cgroups,
            ended: None,
        })
    }

    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(STATE)).ok()?).ok()
    }

    /// Writes the file in one step, unsynced: what it tells of does not survive a crash of the machine, either.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        file::replace(&folder.join(STATE), &serde_json::to_vec_pretty(self)?)
    }

    /// Ends what is left of a run whose supervisor has gone: PID 1 follows it by itself, unless it hangs.
    pub fn clean_up(&self) -> Result<()> {
        if self.same_boot()
            && let Some(init) = self.init.open()
        {
            let _ = pidfd_send_signal(&init, Signal::KILL);
            if !ends_within(&init, PATIENCE)? {
                return Err(Error::internal(format!("process {} does not end", self.init.pid)));
            }
        }
        Groups { folders: self.cgroups.clone() }.remove();
        Ok(())
    }

    pub fn same_boot(&self) -> bool {
        boot_id().is_ok_and(|id| id == self.boot_id)
    }
}

/// Looks at an instance. The supervisor holds the lock for as long as it lives, so a pid alone is never believed.
pub fn liveness(folder: &Path) -> io::Result<Liveness> {
    let lock = File::options().read(true).write(true).open(folder.join(LOCK))?;
    if !sys::is_locked(&lock)? {
        return Ok(Liveness::Stopped(State::read(folder)));
    }
    Ok(match State::read(folder) {
        Some(state) if state.ended.is_none() && state.same_boot() && state.supervisor.open().is_some() => {
            Liveness::Running(state)
        }
        _ => Liveness::Changing,
    })
}

/// Waits for the end of a process. When the machine stands still it has no time to end, so that hardly counts.
pub fn ends_within(process: &OwnedFd, time: Duration) -> Result<bool> {
    let mut left = time;
    loop {
        let begun = Instant::now();
        let tick = Timespec::try_from(left.min(TICK)).ok();
        match poll(&mut [PollFd::new(process, PollFlags::IN)], tick.as_ref()) {
            Ok(0) if !left.is_zero() => {}
            Err(rustix::io::Errno::INTR) => {}
            ready => return Ok(ready.doing("wait for a process")? > 0),
        }
        left = left.saturating_sub(begun.elapsed().min(2 * TICK));
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn start_time(pid: Pid) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    // The second field is the program's name in parentheses and may hold anything; the start time is field 22.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    after_name
        .and_then(|rest| rest.split_ascii_whitespace().nth(19)?.parse().ok())
        .ok_or_else(|| io::Error::other("unreadable process status"))
}
