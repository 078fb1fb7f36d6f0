//! The processes of the machine, as far as the suite can see them.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Read,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::wait::until;

/// A process that bears a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    /// Its arguments, joined by blanks.
    pub(crate) command: String,
}

impl Process {
    /// Its environment, each variable between zeros.
    pub(crate) fn environment(&self) -> String {
        format!("\0{}\0", String::from_utf8_lossy(&read(self.id, "environ")))
    }

    pub(crate) fn kill(&self) {
        #[cfg(unix)]
        if let Some(pid) = rustix::process::Pid::from_raw(self.id.cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The processes with this text among their arguments or in their environment, zombies and the suite itself left
/// out. Empty where the system does not tell.
pub(crate) fn marked(mark: &str) -> Vec<Process> {
    all(&["cmdline", "environ"], mark)
}

/// The processes with this text among their arguments.
pub(crate) fn with_argument(text: &str) -> Vec<Process> {
    all(&["cmdline"], text)
}

/// The processes with this text in their environment.
pub(crate) fn with_environment(text: &str) -> Vec<Process> {
    all(&["environ"], text)
}

/// Waits until no process bears the mark; returns those that still do.
pub(crate) fn wait_until_gone(mark: &str, within: Duration) -> Vec<Process> {
    wait(within, || marked(mark))
}

/// Waits until a list is empty, and returns it.
pub(crate) fn wait<T>(within: Duration, list: impl Fn() -> Vec<T>) -> Vec<T> {
    let mut left = Vec::new();
    until(within, Duration::from_millis(5), || {
        left = list();
        left.is_empty().then_some(())
    });
    left
}

/// The processes that were there before the suite, which no check can have started: their ids, and when they began.
#[derive(Debug)]
struct Before {
    began: HashMap<u32, String>,
    verified: Instant,
}

static BEFORE: LazyLock<Mutex<Before>> = LazyLock::new(|| {
    let began = ids().filter_map(|id| Some((id, stat(id, 22)?))).collect();
    Mutex::new(Before { began, verified: Instant::now() })
});

/// How long it takes at least until the id of a process that is gone is given again.
const REUSE: Duration = Duration::from_secs(1);

/// Takes note of the processes that are there before any driver is started.
pub(crate) fn begin() {
    LazyLock::force(&BEFORE);
}

/// The ids of those processes of before that are still there.
fn before() -> HashSet<u32> {
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    if before.verified.elapsed() > REUSE {
        before.began.retain(|id, began| stat(*id, 22).as_ref() == Some(began));
        before.verified = Instant::now();
    }
    before.began.keys().copied().collect()
}

fn ids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A field of `/proc/ID/stat`, by its number there, which is above 2.
pub(crate) fn stat(id: u32, field: usize) -> Option<String> {
    let content = read(id, "stat");
    let content = String::from_utf8_lossy(&content);
    // The second field, the name, may have anything in it.
    content.rsplit_once(") ")?.1.split(' ').nth(field - 3).map(str::to_owned)
}

fn all(places: &[&str], text: &str) -> Vec<Process> {
    let before = before();
    ids()
        .filter(|id| *id != std::process::id() && !before.contains(id))
        .filter(|id| places.iter().any(|place| contains(&read(*id, place), text)))
        .filter_map(|id| {
            let arguments = read(id, "cmdline");
            let arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let command = arguments.collect::<Vec<_>>().join(" ").trim_end().to_owned();
            (!command.is_empty()).then_some(Process { id, command })
        })
        .collect()
}

fn read(id: u32, place: &str) -> Vec<u8> {
    // Such a file does not tell its size.
    let mut content = Vec::with_capacity(8 * 1024);
    let file = fs::File::open(format!("/proc/{id}/{place}"));
    let _ = file.and_then(|mut file| file.read_to_end(&mut content));
    content
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    let needle = needle.as_bytes();
    haystack.len() >= needle.len() && haystack.windows(needle.len()).any(|window| window == needle)
}
