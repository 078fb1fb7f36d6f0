//! The sole right to change an instance, across processes; it dies with its process.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use kdn_protocol::Error;

use crate::{files, store::Store};

/// A locked file, there only while the change goes on.
#[derive(Debug)]
pub(crate) struct Claim {
    store: Store,
    path: PathBuf,
    /// Closed, and thereby unlocked, after the file is gone.
    _file: File,
}

impl Claim {
    /// Claims what the file at `path` stands for; `None` if someone else has. The caller holds the store's lock, so
    /// that nobody locks a file that is about to go.
    pub(crate) fn take(store: &Store, path: PathBuf) -> Result<Option<Self>, Error> {
        let file = try_lock(&path)?;
        Ok(file.map(|file| Self { store: store.clone(), path, _file: file }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A file that stays is not locked any more, and swept later.
        if let Ok(_lock) = self.store.lock() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Locks the file of a claim, which is made if need be; `None` if it is locked.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>, Error> {
    let file = files::open_private(path).map_err(|error| files::failed("open", path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(files::failed("lock", path, &error)),
    }
}
