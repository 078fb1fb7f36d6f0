//! Removes an instance and everything that belongs to it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kdn_protocol::driver::Context;

use super::{Instances, take};
use crate::error::{Doing, ErrorKind, Result};
use crate::limits::Groups;
use crate::state::State;

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
            Groups { folders: last.cgroups }.remove();
        }
        // From this step on the instance does not exist; what a crash leaves of it is swept up by the next creation.
        let gone = folder.with_file_name(format!(".gone-{id}"));
        fs::rename(&folder, &gone).doing("remove the instance")?;
        delete(&gone).doing(format_args!("delete {}", gone.display()))
    }
}

/// Deletes a folder, also one in which the agent has made folders unwritable, as some package managers do.
pub(super) fn delete(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
