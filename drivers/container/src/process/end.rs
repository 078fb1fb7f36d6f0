//! How a process is ended that is not wanted any more.

use std::time::Duration;

use tokio::time::sleep;

/// How long it may take to end after it was asked to.
const ASKED: Duration = Duration::from_millis(200);
const TICK: Duration = Duration::from_millis(20);

/// Ends a process and those below it: gently first.
pub(super) async fn end(id: u32) {
    system::ask(id);
    sleep(ASKED).await;
    system::kill(id);
}

/// Ends a process group: gently first.
pub(super) async fn end_group(id: u32) {
    system::ask_group(id);
    sleep(ASKED).await;
    system::kill_group(id);
}

/// Kills what a process runs in namespaces of their own, for as long as it goes on. Never returns.
pub(super) async fn end_nested(id: u32) {
    loop {
        system::kill_nested(id);
        sleep(TICK).await;
    }
}

/// Whether a process group has members.
#[cfg(unix)]
pub(super) fn is_group(id: u32) -> bool {
    use rustix::process::{Pid, test_kill_process_group};
    Pid::from_raw(id.cast_signed()).is_some_and(|group| test_kill_process_group(group).is_ok())
}

#[cfg(not(unix))]
pub(super) fn is_group(_: u32) -> bool {
    false
}

#[cfg(unix)]
mod system {
    use std::collections::HashMap;
    use std::fs;

    use rustix::process::{Pid, Signal, kill_process, kill_process_group};

    pub(super) fn ask(id: u32) {
        signal(id, Signal::TERM);
    }

    pub(super) fn kill(id: u32) {
        for (process, _) in descendants(id) {
            signal(process, Signal::KILL);
        }
        signal(id, Signal::KILL);
    }

    pub(super) fn ask_group(id: u32) {
        signal_group(id, Signal::TERM);
    }

    pub(super) fn kill_group(id: u32) {
        signal_group(id, Signal::KILL);
    }

    /// Kills what runs below a process in a process namespace of its own.
    pub(super) fn kill_nested(id: u32) {
        for (process, status) in descendants(id) {
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            if ids.is_some_and(|ids| ids.split_ascii_whitespace().count() > 1) {
                signal(process, Signal::KILL);
            }
        }
    }

    /// The processes below another one, with what the kernel says of them. Nothing where it says nothing.
    fn descendants(id: u32) -> Vec<(u32, String)> {
        let mut children: HashMap<u32, Vec<(u32, String)>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            if let Some(Ok(parent)) = parent.map(|parent| parent.trim().parse()) {
                children.entry(parent).or_default().push((process, status));
            }
        }
        let mut found: Vec<(u32, String)> = children.remove(&id).unwrap_or_default();
        let mut next = 0;
        while let Some((process, _)) = found.get(next) {
            let below = children.remove(process).unwrap_or_default();
            found.extend(below);
            next += 1;
        }
        found
    }

    fn signal(process: u32, signal: Signal) {
        if let Some(process) = Pid::from_raw(process.cast_signed()) {
            let _ = kill_process(process, signal);
        }
    }

    fn signal_group(group: u32, signal: Signal) {
        if let Some(group) = Pid::from_raw(group.cast_signed()) {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Where there are no signals, processes end by themselves.
#[cfg(not(unix))]
mod system {
    pub(super) fn ask(_: u32) {}

    pub(super) fn kill(_: u32) {}

    pub(super) fn ask_group(_: u32) {}

    pub(super) fn kill_group(_: u32) {}

    pub(super) fn kill_nested(_: u32) {}
}
