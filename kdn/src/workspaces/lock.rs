//! The lock of one workspace, held over each change to it.

use std::fs::File;
use std::path::{Path, PathBuf};

use same_file::Handle;

use super::{Error, Result, id};
use crate::files;

const FOLDER: &str = "locks";

/// The right to change one workspace, until it is dropped or the process ends, however it ends.
///
/// Take it before the lock of the store, never the other way round, unless with [`try_acquire`](Self::try_acquire).
#[derive(Debug)]
pub struct WorkspaceLock {
    path: PathBuf,
    file: File,
}

impl WorkspaceLock {
    /// Takes the lock, if nobody holds it.
    pub fn try_acquire(storage: &Path, id: &str) -> Result<Option<Self>> {
        loop {
            let lock = Self::open(storage, id)?;
            match files::try_lock(&lock.file) {
                Ok(false) => return Ok(None),
                Ok(true) if lock.is_current() => return Ok(Some(lock)),
                Ok(true) => {}
                Err(source) => return Err(Error::Lock { path: lock.path, source }),
            }
        }
    }

    /// Takes the lock; when somebody holds it, waits for as long as it takes.
    pub fn acquire_blocking(storage: &Path, id: &str) -> Result<Self> {
        loop {
            let lock = Self::open(storage, id)?;
            if let Err(source) = files::lock(&lock.file) {
                return Err(Error::Lock { path: lock.path, source });
            }
            if lock.is_current() {
                return Ok(lock);
            }
        }
    }

    /// Gives the lock up and removes its file, as the workspace is gone.
    pub fn remove(self) -> Result<()> {
        files::remove(&self.path).map_err(|source| Error::Write { path: self.path, source })
    }

    fn open(storage: &Path, id: &str) -> Result<Self> {
        id::check(id)?;
        let folder = storage.join(FOLDER);
        if let Err(source) = files::create_folder(&folder, 0o700) {
            return Err(Error::Write { path: folder, source });
        }
        let path = folder.join(id);
        match files::open_lock(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(Error::OpenLock { path, source }),
        }
    }

    /// Whether the path still leads to the locked file. If not, its last holder removed it while we waited, and a
    /// lock on it keeps nobody out.
    fn is_current(&self) -> bool {
        let locked = self.file.try_clone().and_then(Handle::from_file);
        matches!((locked, Handle::from_path(&self.path)), (Ok(locked), Ok(named)) if locked == named)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    // SPEC: CONC-07
    #[test]
    fn keeps_others_out_until_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let lock = WorkspaceLock::try_acquire(dir.path(), "a").unwrap().unwrap();
        assert!(WorkspaceLock::try_acquire(dir.path(), "a").unwrap().is_none());
        assert!(WorkspaceLock::try_acquire(dir.path(), "b").unwrap().is_some());
        drop(lock);
        assert!(WorkspaceLock::try_acquire(dir.path(), "a").unwrap().is_some());
        assert!(WorkspaceLock::try_acquire(dir.path(), "../a").is_err());
    }

    #[test]
    fn waits_for_its_turn() {
        let dir = tempfile::tempdir().unwrap();
        let lock = WorkspaceLock::try_acquire(dir.path(), "a").unwrap().unwrap();
        let free = AtomicU32::new(0);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let _lock = WorkspaceLock::acquire_blocking(dir.path(), "a").unwrap();
                free.load(Ordering::SeqCst)
            });
            free.store(1, Ordering::SeqCst);
            drop(lock);
            assert_eq!(waiter.join().unwrap(), 1);
        });
    }

    #[test]
    fn removal_never_lets_two_in() {
        let dir = tempfile::tempdir().unwrap();
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for round in 0..50 {
                        let lock = WorkspaceLock::acquire_blocking(dir.path(), "a").unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if round % 2 == 0 {
                            lock.remove().unwrap();
                        }
                    }
                });
            }
        });
    }
}
