//! What a driver that was killed has left running: it goes on changing things, so whoever comes next waits for its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::end;
use crate::files;

/// How long a command may go on. Most take less; what is cut short is swept up as a whole.
const PATIENCE: Duration = Duration::from_millis(900);
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

/// Waits until the command that a file tells of has ended, and ends it when that takes long.
pub async fn end_noted(path: &Path) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let Some((id, Some(start), nested)) = parse(&text) else { return };
    // Without it, those that it has started may still be at work.
    let runs = || started(id).map_or_else(|| end::is_group(id), |of| of == start);
    let asked = Instant::now();
    while runs() && !nested && asked.elapsed() < PATIENCE {
        tokio::time::sleep(TICK).await;
    }
    if runs() {
        tokio::select! {
            () = end::end(id, nested) => {}
            () = async { while runs() { tokio::time::sleep(TICK).await } } => {}
        }
    }
    let _ = files::write(path, b"");
}

fn parse(text: &str) -> Option<(u32, Option<&str>, bool)> {
    let mut words = text.split(' ');
    Some((words.next()?.parse().ok()?, words.next(), words.next() == Some("true")))
}

/// When a process began, in the kernel's own measure: the 20th number behind its name.
fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    // A zombie changes nothing any more.
    if words.next()? == "Z" { None } else { words.nth(18).map(str::to_owned) }
}
