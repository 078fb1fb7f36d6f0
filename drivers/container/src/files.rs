//! The one place that writes files.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file that nobody else sees yet.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
}

/// Writes a file that is not there yet, in one step; leaves one that is there as it is.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension(format!("{}.new", std::process::id()));
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        match fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    });
    let _ = fs::remove_file(&unfinished);
    written
}

/// Copies a folder with what is in it. Links are copied as what they lead to; a loop of them is an error.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if fs::metadata(entry.path())?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
