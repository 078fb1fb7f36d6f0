//! The driver's folder: one file of records, replaced as a whole under a lock that all processes share; a claim for
//! each change under way; the homes.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use kdn_protocol::{Error, ErrorKind, Instance};

use crate::{
    claim::{self, Claim},
    files,
    record::{Book, Record, number},
};

#[derive(Debug, Clone)]
pub(crate) struct Store {
    dir: PathBuf,
}

impl Store {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The home of the instance `id`.
    pub(crate) fn home(&self, id: &str) -> PathBuf {
        self.homes().join(id)
    }

    /// All records. Needs no lock, since the file is never written in place.
    pub(crate) fn read(&self) -> Result<Book, Error> {
        let path = self.file();
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_else(|error| self.salvage(&error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
            Err(error) => Err(files::failed("read", &path, &error)),
        }
    }

    /// What the homes tell of the instances when their records do not.
    fn salvage(&self, why: &serde_json::Error) -> Book {
        let mut book = Book::default();
        for id in names(&self.homes()) {
            book.next_id = book.next_id.max(number(&id).unwrap_or_default() + 1);
            let record = Record::broken(&id, format!("{} can't be read: {why}", self.file().display()));
            book.instances.insert(id, record);
        }
        book
    }

    /// Changes the records in one step. On an error of `edit` nothing is changed.
    ///
    /// `edit` must not drop a [`Claim`], which takes the same lock.
    pub(crate) fn change<T>(&self, edit: impl FnOnce(&mut Book) -> Result<T, Error>) -> Result<T, Error> {
        let _lock = self.lock()?;
        let mut book = self.read()?;
        let result = edit(&mut book)?;
        let text = serde_json::to_vec(&book).map_err(|error| Error::internal(error.to_string()))?;
        files::replace(&self.file(), &text)?;
        Ok(result)
    }

    /// The record of `id`, and the sole right to change it until the claim is dropped. `None`: no such instance.
    pub(crate) fn claim(&self, id: &str) -> Result<Option<(Record, Claim)>, Error> {
        // Without instances there may be no folder, and none is made.
        if !self.read()?.instances.contains_key(id) {
            return Ok(None);
        }
        let _lock = self.lock()?;
        let Some(record) = self.read()?.instances.remove(id) else { return Ok(None) };
        match self.take_claim(id)? {
            Some(claim) => Ok(Some((record, claim))),
            None => Err(Error::new(ErrorKind::Busy, format!("instance {id} is being changed"))
                .hint("try again in a moment")),
        }
    }

    /// A free id and its empty home, claimed.
    pub(crate) fn claim_new(&self) -> Result<(String, Claim), Error> {
        let _lock = self.lock()?;
        let book = self.read()?;
        let mut number = book.next_id;
        loop {
            let id = format!("fake-{number:03}");
            if !book.instances.contains_key(&id)
                && let Some(claim) = self.take_claim(&id)?
            {
                let home = self.home(&id);
                files::remove_dir(&home)?;
                files::create_dir(&home)?;
                return Ok((id, claim));
            }
            number += 1;
        }
    }

    fn take_claim(&self, id: &str) -> Result<Option<Claim>, Error> {
        files::create_dir(&self.claims())?;
        Claim::take(self, self.claims().join(id))
    }

    /// Removes what processes left behind that were killed in the middle of a change.
    pub(crate) fn sweep(&self) {
        if names(&self.claims()).next().is_some() {
            // What can't be removed now is tried again next time.
            let _ = self.remove_dead();
        }
    }

    fn remove_dead(&self) -> Result<(), Error> {
        let _lock = self.lock()?;
        let book = self.read()?;
        for id in names(&self.claims()) {
            let path = self.claims().join(&id);
            if let Some(_claimed) = claim::try_lock(&path)? {
                if !book.instances.contains_key(&id) {
                    files::remove_dir(&self.home(&id))?;
                }
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Waits for the lock over the records and the claims. It is only ever held for one read and one write.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        files::create_dir(&self.dir)?;
        files::make_private(&self.dir)?;
        let path = self.dir.join("lock");
        let lock = || -> io::Result<File> {
            let file = files::open_private(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error| files::failed("lock", &path, &error))
    }

    fn file(&self) -> PathBuf {
        self.dir.join("instances.json")
    }

    fn homes(&self) -> PathBuf {
        self.dir.join("homes")
    }

    fn claims(&self) -> PathBuf {
        self.dir.join("claims")
    }
}

/// The ids after which the entries of a folder are named, which may be absent.
fn names(dir: &std::path::Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| Instance::is_valid_id(name))
}
