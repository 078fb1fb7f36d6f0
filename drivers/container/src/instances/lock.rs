//! The sole right to change an instance, across processes; it dies with its process.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kdn_protocol::driver::{Context, make_private};

use super::{Instances, is_container_id};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::{files, process};

/// How often a lock is tried again.
const TICK: Duration = Duration::from_millis(10);
/// How long a change waits for another one of the same instance.
const OTHER: Duration = Duration::from_secs(3);
/// How long a change waits for the end of a command that a killed driver has left running and that should not be cut short,
/// before it is all the same.
const CHANGE: Duration = Duration::from_mins(1);
/// The same for a listing, which leaves it alone then.
const LIST: Duration = Duration::from_secs(5);

/// A locked file, there only while it is locked.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Closed, and thereby unlocked, after the file is gone.
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What goes on without this process is still noted in it.
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() > 0) {
            return;
        }
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            // Not if another lock is in it.
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Instances {
    /// These instances, with commands noted in a lock that is held.
    pub(super) fn under(&self, lock: &Lock) -> Self {
        Self { engine: self.engine.noting(&lock.path), ..self.clone() }
    }

    /// Locks a name: the id of a workspace or of an instance.
    pub(super) async fn lock(&self, name: &str) -> Result<Lock> {
        let asked = Instant::now();
        loop {
            if let Some(lock) = self.try_lock(name, CHANGE, true).await? {
                return Ok(lock);
            }
            if asked.elapsed() > OTHER {
                let message = "another change of this workspace is under way";
                return Err(Error::new(ErrorKind::Busy, message).hint("try again when it has ended"));
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Locks an instance.
    pub(super) async fn lock_instance(&self, id: &str) -> Result<Lock> {
        if is_container_id(id) { self.lock(id).await } else { Err(Error::instance_not_found(id)) }
    }

    /// Deletes what drivers left behind that were killed: their locks, and the build folders beside.
    pub(super) async fn sweep(&self) {
        for folder in ["locks", "instances"] {
            let left = fs::read_dir(self.storage.join(folder)).into_iter().flatten().flatten();
            for name in left.filter_map(|entry| entry.file_name().into_string().ok()) {
                if let Ok(Some(_lock)) = self.try_lock(&name, LIST, false).await {
                    let _ = fs::remove_dir_all(self.storage.join("instances").join(&name));
                }
            }
        }
        let _ = fs::remove_dir(self.storage.join("instances"));
    }

    /// Locks a name, for which others may hold it before.
    pub(super) async fn wait_for_lock(&self, name: &str, context: &Context) -> Result<Lock> {
        loop {
            context.check()?;
            if let Some(lock) = self.try_lock(name, CHANGE, true).await? {
                return Ok(lock);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Whether someone holds the lock of a name.
    pub(super) fn is_locked(&self, name: &str) -> bool {
        File::open(self.lock_path(name))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.storage.join("locks").join(name)
    }

    /// Locks a name that nobody holds. What a killed holder has left running is waited for as long as `patience`, and then
    /// ended `by_all_means`, or else let be; the name can't be had then.
    async fn try_lock(&self, name: &str, patience: Duration, by_all_means: bool) -> Result<Option<Lock>> {
        let path = self.lock_path(name);
        make_private(&self.storage).doing("make the storage folder")?;
        loop {
            let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = files::in_folder(&self.storage.join("locks"), open).doing("open a lock")?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => {
                    let ended = process::end_noted(&path, patience, by_all_means).await;
                    return Ok(ended.then(|| Lock { path, _file: file }));
                }
                // Its holder has removed it in between.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error).doing("lock the workspace"),
            }
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(id) == fs::metadata(path).ok().map(id)
}

/// An open file can't be removed there.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
