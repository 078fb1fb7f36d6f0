//! What can go wrong with secrets. No error holds a value.

use std::io;
use std::path::PathBuf;

use super::Service;
use crate::output::{Advice, CommandError, INTERRUPTED, word};

/// What can go wrong with secrets and providers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is one of this name.
    #[error("{what} {name:?}: {what} already exists")]
    Exists {
        /// `secret` or `provider`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// There is none of this name.
    #[error("{what} {name:?}: {what} not found")]
    NotFound {
        /// `secret` or `provider`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// There is no secret of this name, and one is wanted.
    #[error("secret {0:?}: secret not found")]
    Missing(String),
    /// It is on the list, but its value is gone.
    #[error("secret {0:?} has no value")]
    NoValue(String),
    /// It can't be put into requests as it is defined.
    #[error("{problem}")]
    Unusable {
        /// The secret.
        name: String,
        /// Why.
        problem: String,
    },
    /// A list is there, but can't be read.
    #[error("failed to read {list} file: {}", path.display())]
    Read {
        /// `secrets` or `providers`.
        list: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A list is not what kdn writes.
    #[error("failed to parse {list} file: {}", path.display())]
    Parse {
        /// `secrets` or `providers`.
        list: &'static str,
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A list can't be written.
    #[error("failed to write {list} file: {}", path.display())]
    Write {
        /// `secrets` or `providers`.
        list: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The storage folder can't be made.
    #[error("failed to create storage directory: {}", path.display())]
    Storage {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lock can't be taken.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A value can't be stored.
    #[error("failed to store secret in {place}")]
    Store {
        /// Where.
        place: String,
        /// Why.
        source: Problem,
    },
    /// A value can't be read.
    #[error("failed to get secret from {place}")]
    Get {
        /// Where from.
        place: String,
        /// Why.
        source: Problem,
    },
    /// A value can't be deleted.
    #[error("failed to delete secret from {place}")]
    Delete {
        /// Where from.
        place: String,
        /// Why.
        source: Problem,
    },
    /// A change failed half-way, and what was done of it could not be taken back.
    #[error("{failed}; its value could not be put back as it was: {undo}")]
    Half {
        /// Why it failed.
        failed: CommandError,
        /// Why it could not be taken back.
        undo: CommandError,
    },
    /// The user wanted no more of it.
    #[error("interrupted")]
    Interrupted,
}

/// What is wrong with where the values are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no keychain, or it does not work.
    #[error("no keychain is available: {0}")]
    NoKeychain(String),
    /// The keychain does not let kdn in.
    #[error("the keychain gives no access: {0}")]
    NoAccess(String),
    /// The keychain does not answer.
    #[error("the keychain did not answer within {0} seconds")]
    NoAnswer(u64),
    /// The keychain can't do it.
    #[error("{0}")]
    Refused(String),
    /// The value is not text.
    #[error("the value is not UTF-8 text")]
    NotText,
    /// The file can't be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The file could be read, or was written, by somebody else.
    #[error("the file {0}")]
    Unsafe(String),
    /// The file is not what kdn writes. Where it is wrong, but not what is there.
    #[error("the file is no JSON object of names and values (line {line}, column {column})")]
    NotValues {
        /// The line, from 1.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The user wanted no more of it.
    #[error("interrupted")]
    Interrupted,
}

/// A result about secrets.
pub type Result<T, E = Error> = std::result::Result<T, E>;

const KEYCHAINS: &str = if cfg!(any(target_os = "linux", target_os = "freebsd")) {
    "Secrets are kept by a Secret Service, such as GNOME Keyring, KWallet or KeePassXC, on the D-Bus of your session: \
     install one, and log in to a session that has it"
} else {
    "Secrets are kept in the keychain of your login session"
};
const FILE: &str =
    "Where there is none, set KDN_SECRETS_FILE to a file of your own, which will hold the values unencrypted";

impl Error {
    /// A change failed, and so did what should have taken it back.
    pub(super) fn half(failed: Self, undo: Self) -> Self {
        Self::Half { failed: failed.into(), undo: undo.into() }
    }
}

impl Advice for Error {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Missing(name) => {
                format!("{} makes it; 'kdn secret list' shows those that are there", create(name))
            }
            Self::NotFound { what, .. } => format!("'kdn {what} list' shows those that are there"),
            Self::Exists { what, name } => format!("Remove it first: 'kdn {what} remove {}'", word(name)),
            Self::NoValue(name) | Self::Unusable { name, .. } => {
                let remove = word(name);
                format!("Remove it with 'kdn secret remove {remove}', and make it anew with {}", create(name))
            }
            Self::Parse { path, .. } => format!("Correct {}", path.display()),
            Self::Store { source, .. } | Self::Get { source, .. } | Self::Delete { source, .. } => {
                return source.hints();
            }
            Self::Half { failed, .. } => return failed.hints().to_vec(),
            _ => return Vec::new(),
        };
        vec![hint]
    }

    fn exit_code(&self) -> u8 {
        if matches!(self, Self::Interrupted) { INTERRUPTED } else { 1 }
    }
}

/// How to make a secret. Its type is its maker's to say.
fn create(name: &str) -> String {
    let sort = Service::of(name).map_or("...", |service| service.name);
    format!("'kdn secret create {} --type {sort}'", word(name))
}

impl Problem {
    fn hints(&self) -> Vec<String> {
        let hints: &[&str] = match self {
            Self::NoKeychain(_) => &[KEYCHAINS, FILE],
            Self::NoAccess(_) | Self::NoAnswer(_) => &["Unlock the keychain, and try again", FILE],
            Self::Unsafe(_) => {
                &["KDN_SECRETS_FILE has to name a regular file of your own that only you can read and \
                                  write (chmod 600), or none that exists"]
            }
            _ => &[],
        };
        hints.iter().map(|hint| (*hint).to_owned()).collect()
    }
}
