//! Where the values of secrets are: the keychain, or a file that the user names.

use kdn_protocol::Secret;

use super::file::ValuesFile;
use super::keychain::Keychain;
use super::{Error, Problem, Result};

pub(super) type Value = Secret<String>;

/// Where values are. Nothing is opened before it is needed.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Keychain(Keychain),
    File(ValuesFile),
    #[cfg(test)]
    Memory(super::store::tests::Memory),
}

impl Values {
    /// Its name in messages.
    fn place(&self) -> String {
        match self {
            Self::Keychain(_) => "keychain".to_owned(),
            Self::File(file) => file.path().display().to_string(),
            #[cfg(test)]
            Self::Memory(_) => "memory".to_owned(),
        }
    }

    /// The values of these names; `None` for one that has none.
    pub(super) async fn get(&self, names: Vec<String>) -> Result<Vec<Option<Value>>> {
        let found = match self {
            Self::Keychain(keychain) => keychain.get(names).await,
            Self::File(file) => file.get(&names),
            #[cfg(test)]
            Self::Memory(memory) => memory.get(&names),
        };
        found.map_err(|source| self.failed(source, |place, source| Error::Get { place, source }))
    }

    /// Puts a value, or none, in place of the one that is there, and gives that back.
    pub(super) async fn swap(&self, name: &str, value: Option<Value>) -> Result<Option<Value>> {
        let deletes = value.is_none();
        let swapped = match self {
            Self::Keychain(keychain) => keychain.swap(name.to_owned(), value).await,
            Self::File(file) => file.swap(name, value),
            #[cfg(test)]
            Self::Memory(memory) => memory.swap(name, value),
        };
        swapped.map_err(|source| {
            self.failed(source, |place, source| {
                if deletes { Error::Delete { place, source } } else { Error::Store { place, source } }
            })
        })
    }

    fn failed(&self, source: Problem, error: impl FnOnce(String, Problem) -> Error) -> Error {
        match source {
            Problem::Interrupted => Error::Interrupted,
            source => error(self.place(), source),
        }
    }
}
