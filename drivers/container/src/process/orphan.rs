//! What a driver that was killed has left running: it goes on changing things, so whoever comes next waits for its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::end;
use crate::files;

const TICK: Duration = Duration::from_millis(10);

/// A file that tells of a running command; empty again when it is dropped.
pub(super) struct Note(PathBuf);

impl Drop for Note {
    fn drop(&mut self) {
        let _ = files::write(&self.0, b"");
    }
}

/// Notes that a command runs; `None` where a process can't be told from a later one with its number.
pub(super) fn note(path: &Path, id: u32, nested: bool) -> Option<Note> {
    let text = format!("{id} {} {nested}", started(id)?);
    files::write(path, text.as_bytes()).ok()?;
    Some(Note(path.to_owned()))
}

/// Waits until the command that a file tells of has ended, and ends it if it takes longer than `patience`.
pub async fn end_noted(path: &Path, patience: Duration) {
    let Some(orphan) = Orphan::read(path) else { return };
    let asked = Instant::now();
    while orphan.runs() && !orphan.nested && asked.elapsed() < patience {
        tokio::time::sleep(TICK).await;
    }
    if orphan.runs() {
        orphan.end().await;
    }
    let _ = files::write(path, b"");
}

/// A command whose driver was killed.
struct Orphan {
    id: u32,
    start: String,
    /// It may go on for long, and cleans up when it is cut short.
    nested: bool,
}

impl Orphan {
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut words = text.split(' ');
        let (id, start) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        Some(Self { id, start, nested: words.next() == Some("true") })
    }

    /// Without it, those that it has started may still be at work.
    fn runs(&self) -> bool {
        started(self.id).map_or_else(|| end::is_group(self.id), |start| start == self.start)
    }

    async fn end(&self) {
        tokio::select! {
            () = end::end(self.id, self.nested) => {}
            () = async { while self.runs() { tokio::time::sleep(TICK).await } } => {}
        }
    }
}

/// When a process began, in the kernel's own measure: the 20th number behind its name.
fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    // A zombie changes nothing any more.
    if words.next()? == "Z" { None } else { words.nth(18).map(str::to_owned) }
}
