//! The one place that writes files.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes what is no state: a knob of the kernel's, or a file of a tree that nobody sees yet.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(path, bytes)
}

/// Opens an empty file for what a process says.
pub fn log(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Replaces a file in one step. It need not survive a crash of the machine.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(new, path)
}

/// Writes a new file that survives a crash of the machine, once its folder is synced.
pub fn create_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
