//! The processes of an instance: those that carry its mark in their environment, and those below them.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use kdn_protocol::Error;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable whose value is the mark.
pub(super) const MARK: &str = "KDN_FAKE_INSTANCE";

/// How long the kernel may take to end killed processes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks all processes to end, and kills those that have not after `grace`. On return there are none.
pub(super) async fn end(mark: &str, grace: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + grace;
    let mut asked = HashSet::new();
    let mut pause = Duration::from_millis(1);
    loop {
        let found = find(mark)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if found.is_empty() || left.is_zero() {
            return kill(mark);
        }
        for process in found {
            if asked.insert((process.pid, process.start)) {
                process.signal(Signal::TERM);
            }
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Kills all processes. On return there are none.
pub(super) fn kill(mark: &str) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    // One look may miss a process that is made meanwhile.
    let mut quiet = 0;
    while quiet < 2 {
        let found = find(mark)?;
        let Some(first) = found.first() else {
            quiet += 1;
            continue;
        };
        quiet = 0;
        if Instant::now() > deadline {
            return Err(Error::internal(format!("process {} does not end", first.pid)));
        }
        for process in &found {
            process.signal(Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The processes that belong to the instance now, other than this one.
fn find(mark: &str) -> Result<Vec<Process>, Error> {
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<Process> = pids.filter_map(Process::read).collect();
    let marked = format!("{MARK}={mark}");
    let mut members: HashSet<i32> =
        all.iter().filter(|process| process.is_marked(&marked)).map(|process| process.pid).collect();
    loop {
        let below: Vec<i32> = all
            .iter()
            .filter(|process| members.contains(&process.parent) && !members.contains(&process.pid))
            .map(|process| process.pid)
            .collect();
        if below.is_empty() {
            break;
        }
        members.extend(below);
    }
    let own = std::process::id();
    Ok(all
        .into_iter()
        .filter(|process| members.contains(&process.pid) && process.pid.cast_unsigned() != own)
        .collect())
}

#[derive(Debug)]
struct Process {
    pid: i32,
    parent: i32,
    /// When it began: pids are used again.
    start: u64,
}

impl Process {
    /// `None` if it has ended.
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ended = matches!(*fields.first()?, "Z" | "X");
        let process =
            Self { pid, parent: fields.get(1)?.parse().ok()?, start: fields.get(19)?.parse().ok()? };
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
        if Self::read(self.pid).is_some_and(|now| now.start == self.start) {
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}
