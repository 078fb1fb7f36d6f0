//! What can go wrong with the workspaces on disk.

use std::io;
use std::path::PathBuf;

/// What can go wrong with the workspaces on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A state file is there but cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A state file is not what kdn writes.
    #[error("failed to parse {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A record is not what kdn writes, or lacks what every command needs.
    #[error("invalid entry {position} in {}: {problem}", path.display())]
    InvalidRecord {
        /// The file.
        path: PathBuf,
        /// The entry's place, counted from 1.
        position: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A state file or folder cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lock file cannot be opened or created.
    #[error("failed to open storage lock file: {}", path.display())]
    OpenLock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lock file cannot be locked.
    #[error("failed to acquire storage lock: {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A workspace id that cannot be the name of a file.
    #[error("invalid workspace id: {0:?}")]
    InvalidId(String),
    /// Another process is working on a workspace of this id.
    #[error("workspace {0} is in use by another kdn process")]
    InUse(String),
    /// No workspace has this name, id, or prefix of an id.
    #[error("workspace not found: {0}")]
    NotFound(String),
    /// Several ids begin with this text.
    #[error("{wanted:?} matches several workspaces: {}", matches.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// The workspaces, as `name (short id)`.
        matches: Vec<String>,
    },
    /// The system gives no random numbers.
    #[error("failed to generate a workspace id")]
    Random(#[source] getrandom::Error),
}

/// A result about workspaces.
pub type Result<T, E = Error> = std::result::Result<T, E>;
