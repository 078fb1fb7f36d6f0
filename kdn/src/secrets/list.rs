//! A list in a JSON file of the storage folder, under the one lock for all that concerns secrets.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Error, Result};
use crate::files;
use crate::output::json;

/// Never deleted: a process that waits for a deleted lock file would share the lock with nobody.
const LOCK: &str = "secrets.json.lock";

/// Proof that this process alone may change the lists, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _lock: File,
}

impl Held {
    /// Takes the lock, if nobody holds it.
    pub(super) fn try_new(storage: &Path) -> Result<Option<Self>> {
        let (path, lock) = open(storage)?;
        let taken = files::try_lock(&lock).map_err(|source| Error::Lock { path, source })?;
        Ok(taken.then_some(Self { _lock: lock }))
    }

    /// Takes the lock; when somebody holds it, waits for as long as it takes.
    pub(super) fn new_blocking(storage: &Path) -> Result<Self> {
        let (path, lock) = open(storage)?;
        files::lock(&lock).map_err(|source| Error::Lock { path, source })?;
        Ok(Self { _lock: lock })
    }
}

fn open(storage: &Path) -> Result<(PathBuf, File)> {
    let failed = |source| Error::Storage { path: storage.to_owned(), source };
    files::create_folder(storage, 0o700).map_err(failed)?;
    let path = storage.join(LOCK);
    match files::open_lock(&path) {
        Ok(lock) => Ok((path, lock)),
        Err(source) => Err(Error::Lock { path, source }),
    }
}

/// The list `NAME` in the file `NAME.json`: `{"NAME": [...]}`. Other keys of the object stay.
#[derive(Debug)]
pub(super) struct List<T> {
    name: &'static str,
    path: PathBuf,
    others: Map<String, Value>,
    pub(super) items: Vec<T>,
}

impl<T: Serialize + DeserializeOwned> List<T> {
    /// Reads the list without a lock: the file is replaced at once, so what is read is never half of a change.
    pub(super) fn read(storage: &Path, name: &'static str) -> Result<Self> {
        let path = storage.join(format!("{name}.json"));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(Error::Read { list: name, path, source }),
        };
        match parse(name, &bytes) {
            Ok((others, items)) => Ok(Self { name, path, others, items }),
            Err(source) => Err(Error::Parse { list: name, path, source }),
        }
    }

    /// Writes the list.
    pub(super) fn write(&self, _held: &Held) -> Result<()> {
        let mut document = self.others.clone();
        let items = serde_json::to_value(&self.items).expect("entries are plain");
        document.insert(self.name.to_owned(), items);
        files::write_atomic(&self.path, json::pretty(&document).as_bytes(), 0o600)
            .map_err(|source| Error::Write { list: self.name, path: self.path.clone(), source })
    }
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> serde_json::Result<(Map<String, Value>, Vec<T>)> {
    if bytes.trim_ascii().is_empty() {
        return Ok((Map::new(), Vec::new()));
    }
    let mut others: Map<String, Value> = serde_json::from_slice(bytes)?;
    let items: Option<Vec<T>> = serde_json::from_value(others.remove(name).unwrap_or_default())?;
    Ok((others, items.unwrap_or_default()))
}
