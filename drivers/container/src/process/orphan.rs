//! What a driver that was killed has left running: it goes on changing things, so whoever comes next waits for its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{Call, end};
use crate::files;

const TICK: Duration = Duration::from_millis(10);

/// How long it may take from the start of a process until it is the command.
const BIRTH: Duration = Duration::from_millis(500);

/// The variable by whose value a command can be found of which the number is not noted yet.
pub(super) const MARK: &str = "KDN_COMMAND";

/// How long a command that may be cut short is left to come to its end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a command is ended of which the driver was killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    /// At once: it may go on for long, and cleans up when what it runs in namespaces of their own is killed.
    Nested,
    /// It may be cut short.
    Short,
    /// It may not: something would be left that is broken.
    Whole,
}

impl Ending {
    fn of(call: &Call) -> Self {
        match (call.nested, &call.cancelled) {
            (true, _) => Self::Nested,
            (false, Some(_)) => Self::Short,
            (false, None) => Self::Whole,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Nested => "nested",
            Self::Short => "short",
            Self::Whole => "whole",
        }
    }
}

/// A file that tells of a command; empty again when it is dropped.
pub(super) struct Note {
    path: PathBuf,
    mark: String,
    ending: Ending,
}

impl Note {
    /// Notes that a command is about to run, with this mark; `None` where processes can't be found by it.
    pub(super) fn new(path: &Path, call: &Call) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own = std::process::id();
        let mark = format!("{own}-{}-{}", started(own)?, NUMBER.fetch_add(1, Ordering::Relaxed));
        let ending = Ending::of(call);
        files::write(path, format!("{MARK} {mark} {}", ending.word()).as_bytes()).ok()?;
        Some(Self { path: path.to_owned(), mark, ending })
    }

    /// Notes which process it is, on a line of its own: the other one counts until this one is complete.
    pub(super) fn runs_as(&self, id: u32) {
        if let Some(start) = started(id) {
            let _ = files::append(&self.path, format!("\n{id} {start} {}\n", self.ending.word()).as_bytes());
        }
    }

    pub(super) fn mark(&self) -> &str {
        &self.mark
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = files::write(&self.path, b"");
    }
}

/// Waits until the command that a file tells of has ended, and ends it if it takes long and may be cut short. One that may not
/// gets all of `patience`, and is ended then `by_all_means`, or else let be. Tells whether it has ended.
pub async fn end_noted(path: &Path, patience: Duration, by_all_means: bool) -> bool {
    let Some(orphan) = Orphan::read(path).await else { return true };
    let asked = Instant::now();
    let patience = match orphan.ending {
        Ending::Nested => Duration::ZERO,
        Ending::Short => PATIENCE,
        Ending::Whole => patience,
    };
    while orphan.runs() && asked.elapsed() < patience {
        tokio::time::sleep(TICK).await;
    }
    if orphan.runs() {
        if orphan.ending == Ending::Whole && !by_all_means {
            return false;
        }
        orphan.end().await;
    }
    let _ = files::write(path, b"");
    true
}

/// A command whose driver was killed.
struct Orphan {
    id: u32,
    start: String,
    ending: Ending,
}

impl Orphan {
    async fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        // A line that was being written when the driver was killed has no end.
        let words: Vec<&str> = rest.strip_suffix('\n').unwrap_or(first).split(' ').collect();
        let &[id, start, word] = &words[..] else { return None };
        let endings = [Ending::Nested, Ending::Short, Ending::Whole];
        let ending = endings.into_iter().find(|ending| ending.word() == word)?;
        if id == MARK {
            let id = wait_for(&format!("{MARK}={start}")).await?;
            return Some(Self { id, start: started(id)?, ending });
        }
        Some(Self { id: id.parse().ok()?, start: start.to_owned(), ending })
    }

    /// Without it, those that it has started may still be at work.
    fn runs(&self) -> bool {
        started(self.id).map_or_else(|| end::is_group(self.id), |start| start == self.start)
    }

    async fn end(&self) {
        tokio::select! {
            () = end::end(self.id, self.ending == Ending::Nested) => {}
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
