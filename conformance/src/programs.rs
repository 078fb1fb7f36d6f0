//! Keeps apart the writing of files that may be run and the start of processes: a child that is forked while such a
//! file is open for writing holds it open until its own `exec`, and meanwhile nobody can run the file.

use std::{
    io,
    sync::{PoisonError, RwLock},
};

static STARTS: RwLock<()> = RwLock::new(());

/// Starts a process; on return it runs its own program.
pub(crate) fn start<T>(spawn: impl FnOnce() -> T) -> T {
    let _many = STARTS.read().unwrap_or_else(PoisonError::into_inner);
    spawn()
}

/// Writes a file that may be run.
pub(crate) fn write<T>(write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _alone = STARTS.write().unwrap_or_else(PoisonError::into_inner);
    write()
}
