//! Removes an instance and everything that belongs to it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kdn_protocol::driver::Context;

use super::{Instances, take};
use crate::error::{Doing, ErrorKind, Result};
use crate::state::{LOCK, State};

impl Instances {
    /// Removes a stopped instance; an unknown one is removed already.
    pub fn remove(&self, id: &str, context: &Context) -> Result<()> {
        let folder = match self.folder(id) {
            Err(error) if error.kind() == ErrorKind::InstanceNotFound => return Ok(()),
            folder => folder?,
        };
        // Held until the folder is gone: no start can come in between.
        let _lock = match take(&folder, id) {
            Err(error) if error.kind() == ErrorKind::InstanceNotFound => return Ok(()),
            lock => lock?,
        };
        context.steps().start("Removing sandbox", "Sandbox removed");
        if let Some(last) = State::read(&folder) {
            last.clean_up()?;
        }
        // From this step on the instance does not exist; what a crash leaves of it is swept up by the
        // next creation or listing.
        let gone = folder.with_file_name(format!(".gone-{id}"));
        fs::rename(&folder, &gone).doing("remove the instance")?;
        delete(&gone).doing(format_args!("delete {}", gone.display()))
    }
}

/// How much longer than the folder's own a path may be.
const LONG: usize = 1024;

/// Deletes a folder of ours, whatever the agent has made in its home: unwritable folders, as some package managers do,
/// and folders too deep for a path, a stack or a limit of descriptors.
pub(super) fn delete(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    let mut lifted = 0_u64;
    let mut next = 0;
    while let Some(parent) = folders.get(next).cloned() {
        next += 1;
        for entry in gone_is_fine(fs::read_dir(&parent).and_then(Iterator::collect::<io::Result<Vec<_>>>))? {
            let mut path = entry.path();
            if !entry.file_type()?.is_dir() {
                // Whoever sees the folder knows by its lock that someone works on it.
                if path != folder.join(LOCK) {
                    gone_is_fine(fs::remove_file(path))?;
                }
                continue;
            }
            gone_is_fine(fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))?;
            if path.as_os_str().len() > folder.as_os_str().len() + LONG {
                let free = |name: &PathBuf| name.symlink_metadata().is_err();
                let mut names = (lifted..).map(|n| (lifted = n + 1, folder.join(n.to_string())).1);
                let top = names.find(free).unwrap_or_default();
                gone_is_fine(fs::rename(path, &top))?;
                path = top;
            }
            folders.push(path);
        }
    }
    for empty in folders[1..].iter().rev() {
        gone_is_fine(fs::remove_dir(empty))?;
    }
    gone_is_fine(fs::remove_file(folder.join(LOCK)))?;
    gone_is_fine(fs::remove_dir(folder))
}

/// Someone else may sweep up at the same time.
fn gone_is_fine<T: Default>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        result => result,
    }
}
