//! The instances of one storage folder: a folder each, which appears and disappears in one step.

mod create;
mod home;
mod list;
mod remove;
mod start;
mod stop;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kdn_protocol::{Forward, Instance, State, Workspace};
use serde::{Deserialize, Serialize};

use crate::env::HostUser;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::limits::Means;
use crate::state::{LOCK, Liveness, liveness};
use crate::sys;

/// What was frozen at `create`.
const SPEC: &str = "spec.json";
/// The agent's home, which outlives every run.
const HOME: &str = "home";
/// How long to wait for someone else who is changing the same instance.
const OTHERS: Duration = Duration::from_secs(30);
/// Version of `spec.json`.
const VERSION: u32 = 1;

/// What `create` was given and decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Spec {
    version: u32,
    workspace: Workspace,
    forwards: Vec<Forward>,
}

/// The instances of a storage folder, which other drivers may share.
#[derive(Debug, Clone)]
pub struct Instances {
    storage: PathBuf,
    user: HostUser,
    means: Means,
}

impl Instances {
    pub fn new(storage: PathBuf, user: HostUser, means: Means) -> Self {
        Self { storage, user, means }
    }

    pub fn means(&self) -> &Means {
        &self.means
    }

    pub fn user(&self) -> &HostUser {
        &self.user
    }

    /// The state of one instance now.
    pub fn info(&self, id: &str) -> Result<Instance> {
        self.look(id).ok_or_else(|| Error::instance_not_found(id))
    }

    /// The folder of an instance that exists.
    pub fn folder(&self, id: &str) -> Result<PathBuf> {
        let folder = self.folder_of(id).ok_or_else(|| Error::instance_not_found(id))?;
        if folder.is_dir() { Ok(folder) } else { Err(Error::instance_not_found(id)) }
    }

    fn folder_of(&self, id: &str) -> Option<PathBuf> {
        // A valid id neither is hidden nor climbs.
        Instance::is_valid_id(id).then(|| self.storage.join("instances").join(id))
    }

    fn look(&self, id: &str) -> Option<Instance> {
        let folder = self.folder_of(id)?;
        let spec = match Spec::read(&folder) {
            Ok(spec) => spec,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let mut instance = Instance::new(id, id, "", State::Error);
                instance.reason = Some(format!("{SPEC} can't be read: {error}"));
                return Some(instance);
            }
        };
        let mut instance =
            Instance::new(id, spec.workspace.workspace_id, spec.workspace.name, State::Stopped);
        instance.forwards = spec.forwards;
        instance.info.insert("home".to_owned(), folder.join(HOME).display().to_string());
        match liveness(&folder) {
            Ok(Liveness::Running(state)) => {
                instance.state = State::Running;
                instance.info.insert("pid".to_owned(), state.supervisor.pid.to_string());
            }
            Ok(Liveness::Stopped(last)) => instance.reason = last.and_then(|state| state.ended),
            Ok(Liveness::Changing) => instance.reason = Some("a change is under way".to_owned()),
            // Removed since its spec was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                instance.state = State::Unknown;
                instance.reason = Some(error.to_string());
            }
        }
        Some(instance)
    }

    /// The ids of all instances, sorted.
    fn ids(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(self.storage.join("instances")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).doing("read the instances"),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<_> = names.filter(|name| Instance::is_valid_id(name)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Keeps other drivers from creating and sweeping at the same time, for as long as the file is open.
    fn guard(&self) -> Result<File> {
        private_folder(&self.storage.join("instances")).doing("make the storage folder")?;
        let file = open_lock(&self.storage.join(LOCK)).doing("open the storage lock")?;
        sys::lock(&file).doing("lock the storage folder")?;
        Ok(file)
    }

    /// Deletes what a creation or removal that was cut short has left behind. Called under the guard.
    fn sweep(&self) {
        for path in self.hidden() {
            let lock = File::options().write(true).open(path.join(LOCK));
            let abandoned = match &lock {
                Ok(lock) => sys::try_lock(lock).unwrap_or(false),
                // It is the first thing made, under the guard, and the last one deleted.
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            if abandoned {
                let _ = remove::delete(&path);
            }
        }
    }

    /// The folders that are no instances: not yet, or no longer.
    fn hidden(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(self.storage.join("instances")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().as_encoded_bytes()[0] == b'.').map(|entry| entry.path())
    }
}

impl Spec {
    fn read(folder: &Path) -> io::Result<Self> {
        let spec: Self = serde_json::from_slice(&fs::read(folder.join(SPEC))?)?;
        if spec.version > VERSION {
            return Err(io::Error::other("a newer kdn made it"));
        }
        Ok(spec)
    }
}

/// Makes a folder, and its parents, that nobody else can look into.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn open_lock(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// The lock of an instance, or the reason why a change is impossible now.
fn take(folder: &Path, id: &str) -> Result<File> {
    let lock = match File::options().read(true).write(true).open(folder.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::instance_not_found(id)),
        lock => lock.doing("open the instance's lock")?,
    };
    if sys::try_lock(&lock).doing("lock the instance")? {
        return Ok(lock);
    }
    Err(match liveness(folder).doing("look at the instance")? {
        Liveness::Running(_) => {
            Error::new(ErrorKind::InvalidState, "the workspace is running").hint("stop it first")
        }
        _ => Error::new(ErrorKind::Busy, "another change of this workspace is under way"),
    })
}
