//! The driver's folder: one file of records, replaced as a whole under a lock that all processes share; a claim for
//! each change under way; the homes; and a folder of work for each instance that runs or is made.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use kdn_protocol::{Error, ErrorKind, Instance, State};

use crate::{
    claim::{self, Claim},
    files, live,
    record::{Book, Record, number},
};

/// Where an instance is, and how its processes are known.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) home: PathBuf,
    /// What is needed only while the instance runs or is made.
    pub(crate) work: PathBuf,
    /// Which no other instance on this machine has.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there are no processes"))]
    pub(crate) mark: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Store {
    dir: PathBuf,
}

impl Store {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where the instance `id` is.
    pub(crate) fn place(&self, id: &str) -> Place {
        let dir = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        Place {
            home: self.homes().join(id),
            work: self.dir.join("work").join(id),
            mark: dir.join(id).display().to_string(),
        }
    }

    /// All records, with the states of now. Needs no lock, since the file is never written in place.
    pub(crate) fn read(&self) -> Result<Book, Error> {
        self.clean()?;
        let mut book = self.recorded()?;
        for record in book.instances.values_mut().filter(|record| record.state == State::Running) {
            if !live::is_running(&self.place(&record.id)) {
                record.state = State::Stopped;
                record.reason = Some("its keeper has ended".into());
            }
        }
        Ok(book)
    }

    /// Removes the records that a killed driver did not finish writing, unless somebody is writing just now.
    fn clean(&self) -> Result<(), Error> {
        let unfinished = files::unfinished(&self.file());
        if unfinished.exists()
            && let Some(_lock) = claim::try_lock(&self.dir.join("lock"))?
        {
            files::remove_file(&unfinished)?;
        }
        Ok(())
    }

    /// The records as they are written.
    fn recorded(&self) -> Result<Book, Error> {
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
        let mut book = self.recorded()?;
        let result = edit(&mut book)?;
        let text = serde_json::to_vec(&book).map_err(|error| Error::internal(error.to_string()))?;
        files::replace(&self.file(), &text)?;
        Ok(result)
    }

    /// The record of `id`, and the sole right to change it until the claim is dropped. `None`: no such instance.
    pub(crate) fn claim(&self, id: &str) -> Result<Option<(Record, Claim)>, Error> {
        // Without instances there may be no folder, and none is made.
        if !self.recorded()?.instances.contains_key(id) {
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
        let book = self.recorded()?;
        let mut number = book.next_id;
        loop {
            let id = format!("fake-{number:03}");
            if !book.instances.contains_key(&id)
                && let Some(claim) = self.take_claim(&id)?
            {
                let Place { home, work, .. } = self.place(&id);
                files::remove_dir(&work)?;
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
        let book = self.recorded()?;
        for id in names(&self.claims()) {
            let path = self.claims().join(&id);
            if let Some(_claimed) = claim::try_lock(&path)? {
                if !book.instances.contains_key(&id) {
                    let place = self.place(&id);
                    live::kill(&place)?;
                    files::remove_dir(&place.work)?;
                    files::remove_dir(&place.home)?;
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
