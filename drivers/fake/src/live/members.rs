//! The processes of an instance: those that carry its mark in their environment, and those below them.

use std::{
    collections::HashSet,
    fs,
    hash::{Hash, Hasher},
    time::{Duration, Instant},
};

use kdn_protocol::Error;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable whose value is the mark.
pub(super) const MARK: &str = "KDN_FAKE_INSTANCE";

/// The flag of a thread of the kernel, as `/proc/<pid>/stat` shows it.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// How long to wait, at most, between two looks for processes.
const LONG_PAUSE: Duration = Duration::from_millis(50);
/// How long the kernel may take to end killed processes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks all processes to end, and kills those that have not after `grace`.
pub(super) async fn end(mark: &str, grace: Duration) -> Result<(), Error> {
    let mut members = Members::new(mark);
    let mut pause = Duration::from_millis(1);
    let mut left = grace;
    let mut seen = Instant::now();
    while !left.is_zero() {
        let (found, new) = members.find()?;
        if found.is_empty() {
            return Ok(());
        }
        signal_all(&new, Signal::TERM);
        tokio::time::sleep(pause.min(left)).await;
        // When the machine stands still, the processes have no time to end.
        left = left.saturating_sub(seen.elapsed().min(pause + LONG_PAUSE));
        seen = Instant::now();
        pause = (pause * 2).min(LONG_PAUSE);
    }
    members.kill()
}

/// Kills all processes. On return there are none.
pub(super) fn kill(mark: &str) -> Result<(), Error> {
    Members::new(mark).kill()
}

struct Members {
    /// How the variable stands in an environment.
    marked: String,
    /// Those that were found so far. They and what is below them are members even if what was above them has ended.
    known: HashSet<Process>,
    /// Threads of the kernel, most of what there is on an idle machine: nobody's, and not looked at again.
    kernel: HashSet<i32>,
}

impl Members {
    fn new(mark: &str) -> Self {
        Self { marked: format!("{MARK}={mark}"), known: HashSet::new(), kernel: HashSet::new() }
    }

    fn kill(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        // One look may miss a process that is made meanwhile.
        let mut quiet = 0;
        while quiet < 2 {
            let mut found = self.find()?.0;
            let Some(first) = found.first() else {
                quiet += 1;
                continue;
            };
            quiet = 0;
            if Instant::now() > deadline {
                return Err(Error::internal(format!("process {} does not end", first.pid)));
            }
            // Who is stopped makes no child that would be an orphan of unknown descent a moment later.
            signal_all(&found, Signal::STOP);
            loop {
                let (now, new) = self.find()?;
                found = now;
                if new.is_empty() {
                    break;
                }
                signal_all(&new, Signal::STOP);
            }
            signal_all(&found, Signal::KILL);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The processes that are members now, other than this one; and those of them that were not known.
    fn find(&mut self) -> Result<(Vec<Process>, Vec<Process>), Error> {
        let entries = fs::read_dir("/proc")?.flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let pids = pids.filter(|pid| !self.kernel.contains(pid));
        let (kernel, all): (Vec<_>, Vec<_>) =
            pids.filter_map(Process::read).partition(|process| process.is_kernel);
        self.kernel.extend(kernel.iter().map(|process| process.pid));
        let is_root = |process: &&Process| self.known.contains(process) || process.is_marked(&self.marked);
        let mut members: HashSet<i32> = all.iter().filter(is_root).map(|process| process.pid).collect();
        loop {
            let before = members.len();
            for process in &all {
                if members.contains(&process.parent) {
                    members.insert(process.pid);
                }
            }
            if members.len() == before {
                break;
            }
        }
        let own = std::process::id().cast_signed();
        let found: Vec<Process> =
            all.into_iter().filter(|process| process.pid != own && members.contains(&process.pid)).collect();
        let new = found.iter().filter(|process| self.known.insert(**process)).copied().collect();
        Ok((found, new))
    }
}

fn signal_all(processes: &[Process], signal: Signal) {
    for process in processes {
        process.signal(signal);
    }
}

#[derive(Debug, Clone, Copy)]
struct Process {
    pid: i32,
    parent: i32,
    /// When it began: pids are used again.
    start: u64,
    is_kernel: bool,
}

/// A process may change its parent, and stays the same.
impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }
}

impl Eq for Process {}

impl Hash for Process {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.pid, self.start).hash(state);
    }
}

impl Process {
    /// `None` if it has ended.
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ended = matches!(*fields.first()?, "Z" | "X");
        let flags: u32 = fields.get(6)?.parse().ok()?;
        let process = Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            is_kernel: flags & KERNEL_THREAD != 0,
        };
        (!ended).then_some(process)
    }

    fn is_marked(&self, marked: &str) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marked.as_bytes())
    }

    fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // Looked at once more, now that the descriptor is of one process for good.
        if Self::read(self.pid).is_some_and(|now| now == *self) {
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}
