//! What goes on without the driver that started it: it changes things, so whoever comes next waits for its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::end;
use crate::files;

const TICK: Duration = Duration::from_millis(10);

/// How long it may take from the start of a process until it is the command.
const BIRTH: Duration = Duration::from_millis(500);

/// The variable by whose value a command can be found of which the number is not noted yet.
pub(super) const MARK: &str = "KDN_COMMAND";

/// A file that tells of a command; empty again when it is dropped.
pub(super) struct Note {
    path: PathBuf,
    mark: String,
}

impl Note {
    /// Notes that a command is about to run, with this mark; `None` where processes can't be found by it.
    pub(super) fn new(path: &Path) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own = std::process::id();
        let mark = format!("{own}-{}-{}", started(own)?, NUMBER.fetch_add(1, Ordering::Relaxed));
        files::write(path, format!("{MARK} {mark}").as_bytes()).ok()?;
        Some(Self { path: path.to_owned(), mark })
    }

    /// Notes which process it is, on a line of its own: the other one counts until this one is complete.
    pub(super) fn runs_as(&self, id: u32) {
        if let Some(start) = started(id) {
            let _ = files::append(&self.path, format!("\n{id} {start}\n").as_bytes());
        }
    }

    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Leaves the note: the command goes on without this process.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = files::write(&self.path, b"");
    }
}

/// Waits until the command that a file tells of has ended. One that takes longer than `patience` is ended `by_all_means`, or else
/// let be. Tells whether it has ended.
pub async fn end_noted(path: &Path, patience: Duration, by_all_means: bool) -> bool {
    if let Some(orphan) = Orphan::read(path).await {
        let asked = Instant::now();
        while orphan.runs() && asked.elapsed() < patience {
            tokio::time::sleep(TICK).await;
        }
        if orphan.runs() {
            if !by_all_means {
                return false;
            }
            orphan.end().await;
        }
    }
    let _ = files::write(path, b"");
    true
}

/// A command that goes on without its driver.
struct Orphan {
    id: u32,
    start: String,
}

impl Orphan {
    async fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        // A line that was being written when the driver was killed has no end.
        let words: Vec<&str> = rest.strip_suffix('\n').unwrap_or(first).split(' ').collect();
        let &[id, start] = &words[..] else { return None };
        if id == MARK {
            let id = wait_for(&format!("{MARK}={start}")).await?;
            return Some(Self { id, start: started(id)? });
        }
        Some(Self { id: id.parse().ok()?, start: start.to_owned() })
    }

    /// Without it, those that it has started may still be at work.
    fn runs(&self) -> bool {
        started(self.id).map_or_else(|| end::is_group(self.id), |start| start == self.start)
    }

    async fn end(&self) {
        tokio::select! {
            () = end::end_group(self.id) => {}
            () = async { while self.runs() { tokio::time::sleep(TICK).await } } => {}
        }
    }
}

/// The command that has this variable, which it gets a moment after it was started.
async fn wait_for(variable: &str) -> Option<u32> {
    let asked = Instant::now();
    loop {
        let found = first_with(variable);
        if found.is_some() || asked.elapsed() > BIRTH {
            return found;
        }
        tokio::time::sleep(TICK).await;
    }
}

/// The command that has this variable. What it leaves running, such as the monitor of a container, has it too.
fn first_with(variable: &str) -> Option<u32> {
    let has = |id: &u32| {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        if !["podman", "docker", "kdn-runtime-"].iter().any(|own| name.starts_with(own)) {
            return false;
        }
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    let all = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(has).min_by_key(|id| started(*id).and_then(|start| start.parse::<u64>().ok()))
}

/// When a process began, in the kernel's own measure: the 20th number behind its name.
fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    // A zombie changes nothing any more.
    if words.next()? == "Z" { None } else { words.nth(18).map(str::to_owned) }
}
