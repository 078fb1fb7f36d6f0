//! The storage folder, and a store of instances in it for drivers that need no more than that.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{Error, ErrorKind, Instance, ListParams, ListResult, State};

/// Makes a folder, and those above it, for the user alone; takes one that is there away from other users.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if folder.metadata()?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(folder, PermissionsExt::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// A file that is being written, under the lock.
const UNFINISHED: &str = ".unfinished";

/// Instances as files in the storage folder, each named after its id.
///
/// A change is made at once or not at all, also when the power fails, and after those of other processes. Reading
/// makes no folder and waits for nobody. A file that can't be read is an instance in the state `error`, which can be
/// removed.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in the folder `storageDir`, which may not exist yet.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The instance with this id.
    pub fn get(&self, id: &str) -> Result<Instance, Error> {
        let text = match Instance::is_valid_id(id).then(|| fs::read(self.file(id))) {
            Some(Ok(text)) => Ok(text),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            _ => return Err(Error::instance_not_found(id)),
        };
        let instance = text.and_then(|text| {
            let instance: Instance = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            instance.validate()?;
            if instance.id == id { Ok(instance) } else { Err(format!("it is of instance {:?}", instance.id)) }
        });
        Ok(instance.unwrap_or_else(|why| {
            // Its workspace is not known; with most drivers it has the same id.
            let mut broken = Instance::new(id, id, id, State::Error);
            broken.reason = Some(format!("its file can't be read: {why}"));
            broken
        }))
    }

    /// The instances that `list` asks for, on one page.
    pub fn list(&self, params: &ListParams) -> Result<ListResult, Error> {
        if let Some(cursor) = &params.cursor {
            let message = format!("cursor {cursor:?} is not of this driver, which lists all at once");
            return Err(Error::new(ErrorKind::InvalidParams, message).field("cursor"));
        }
        if self.file(UNFINISHED).exists() {
            drop(self.lock()?);
        }
        let mut instances = self.all()?;
        if let Some(wanted) = &params.workspace_ids {
            instances.retain(|instance| wanted.contains(&instance.workspace_id));
        }
        Ok(ListResult::new(instances))
    }

    /// Adds an instance, unless its workspace has one, which is returned as it is. `already_exists` if another
    /// workspace's instance has its name.
    pub fn add(&self, new: Instance) -> Result<Instance, Error> {
        let _lock = self.lock()?;
        let same = |known: &Instance| known.workspace_id == new.workspace_id;
        match self.all()?.into_iter().find(|known| same(known) || known.name == new.name) {
            Some(known) if same(&known) => Ok(known),
            Some(known) => {
                let message = format!("instance {:?} has the name {:?}", known.id, new.name);
                Err(Error::new(ErrorKind::AlreadyExists, message))
            }
            None => self.write(new),
        }
    }

    /// Changes an instance, and returns what it is now.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Instance)) -> Result<Instance, Error> {
        self.get(id)?;
        let _lock = self.lock()?;
        let mut instance = self.get(id)?;
        change(&mut instance);
        self.write(instance)
    }

    /// Removes an instance; one that is not there is removed already. `invalid_state` if it runs.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        if self.get(id).is_err() {
            return Ok(());
        }
        let _lock = self.lock()?;
        match self.get(id) {
            Ok(instance) if instance.state == State::Running => {
                Err(Error::new(ErrorKind::InvalidState, format!("instance {id:?} is running")))
            }
            Ok(_) => {
                fs::remove_file(self.file(id))?;
                self.sync();
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    fn all(&self) -> Result<Vec<Instance>, Error> {
        let files = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files?,
        };
        let ids = files.flatten().filter_map(|file| file.file_name().into_string().ok());
        // One that is removed at this moment is not there.
        Ok(ids.filter_map(|id| self.get(&id).ok()).collect())
    }

    /// The files that are no instances begin with a dot, as no id does.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Keeps other processes from changes until it is dropped. Only ever held for one of them.
    fn lock(&self) -> Result<File, Error> {
        make_private(&self.folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(self.file(".lock"))?;
        lock.lock()?;
        // Of a writer that was killed.
        let _ = fs::remove_file(self.file(UNFINISHED));
        Ok(lock)
    }

    fn write(&self, instance: Instance) -> Result<Instance, Error> {
        let text = serde_json::to_vec(&instance).map_err(|error| Error::internal(error.to_string()))?;
        let unfinished = self.file(UNFINISHED);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(unfinished, self.file(&instance.id))?;
        self.sync();
        Ok(instance)
    }

    /// The change is made by then: where a folder can't be synced, as on Windows, no more can be done for it.
    fn sync(&self) {
        if let Ok(folder) = File::open(&self.folder) {
            let _ = folder.sync_all();
        }
    }
}
