//! The folder in which the features of one workspace lie while it is made.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{Error, Problem, error::Result};
use crate::files;

const LOCK: &str = "lock";

/// The folder in which the features of one workspace lie, gone with the value.
///
/// A process that was killed leaves one behind. The next one that finds itself alone removes it.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    /// Held by all that have a stage.
    _lock: File,
}

impl Stage {
    /// Makes a folder of this name below `features`, the folder that all of them share.
    pub(super) fn create(features: &Path, name: &str) -> Result<Self, Error> {
        let folder = features.join(name);
        let make = || {
            files::create_folder(features, 0o700)?;
            let lock = files::open_lock(&features.join(LOCK))?;
            if files::try_lock(&lock)? {
                sweep(features)?;
                lock.unlock()?;
            }
            lock.lock_shared()?;
            files::create_folder(&folder, 0o700)?;
            Ok(lock)
        };
        match make() {
            Ok(lock) => Ok(Self { folder, _lock: lock }),
            Err(source) => Err(Error::Folder { path: folder, source }),
        }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes what nobody uses any more: all but the cache and the lock.
fn sweep(features: &Path) -> io::Result<()> {
    for entry in fs::read_dir(features)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name() != super::cache::FOLDER {
            fs::remove_dir_all(entry.path())?;
        }
    }
    super::cache::sweep(&features.join(super::cache::FOLDER))
}

/// Makes a folder, unless it is there.
pub(super) fn create_folder(path: &Path) -> Result<()> {
    files::create_folder(path, 0o755).map_err(Problem::file(path))
}

/// Makes a folder that is not there, in one that is: nothing comes back of a stage that is gone.
pub(super) fn create_folder_in(path: &Path) -> Result<()> {
    fs::create_dir(path).map_err(Problem::file(path))
}

/// Makes a file anew, in place of one that is there.
pub(super) fn create_file(path: &Path, executable: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if executable { 0o755 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = executable;
    options.open(path).map_err(Problem::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_when_nobody_is_at_work() {
        let dir = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let killed = Stage::create(dir.path(), "killed").unwrap();
        create_folder_in(&killed.folder().join("feature-0")).unwrap();
        let other = Stage::create(dir.path(), "other").unwrap();
        assert_eq!(names(), ["killed", "lock", "other"], "others are at work");
        drop(other);
        fs::create_dir(dir.path().join("left")).unwrap();
        drop(killed);
        let next = Stage::create(dir.path(), "next").unwrap();
        assert_eq!(names(), ["lock", "next"]);
        drop(next);
        assert_eq!(names(), ["lock"]);
    }
}
