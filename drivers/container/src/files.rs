//! The one place that writes files.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use kdn_protocol::driver::make_private;

/// Writes a file that nobody else sees yet.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
}

/// Writes behind what is in a file.
pub fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().append(true).open(path)?.write_all(bytes)
}

/// Does something in a folder that is only for the user, and is made before. Others delete it when it is empty: then it is
/// made again.
pub fn in_folder<T>(folder: &Path, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let once = || make_private(folder).and_then(|()| work());
    for _ in 0..100 {
        match once() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    once()
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
