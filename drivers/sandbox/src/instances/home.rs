//! The agent's private home: the files it begins with, and who owns it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, lchown};
use std::path::Path;

use data_encoding::BASE64;
use kdn_protocol::FileEntry;
use kdn_protocol::driver::Context;

use super::private_folder;
use crate::error::{Error, Result};

/// Writes the workspace's files into a new home.
pub(super) fn fill(home: &Path, files: &[FileEntry], context: &Context) -> Result<()> {
    for (index, entry) in files.iter().enumerate() {
        context.check()?;
        write(home, entry).map_err(|(field, error)| {
            let message = format!("file {:?}: {}", entry.path, crate::error::text(&error));
            Error::invalid_workspace(format!("files[{index}].{field}"), message)
        })?;
    }
    Ok(())
}

fn write(home: &Path, entry: &FileEntry) -> Result<(), (&'static str, io::Error)> {
    let in_field = |field| move |error| (field, error);
    let path = home.join(&entry.path);
    if let Some(parent) = path.parent() {
        private_folder(parent).map_err(in_field("path"))?;
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path).map_err(in_field("path"))?;
    match (&entry.source, &entry.content_base64) {
        (Some(source), _) => {
            let mut source = open_file(source).map_err(in_field("source"))?;
            io::copy(&mut source, &mut file).map_err(in_field("source"))?;
        }
        (None, Some(content)) => {
            let decoded = BASE64.decode(content.as_bytes());
            let bytes = decoded.map_err(|error| ("contentBase64", io::Error::other(error.to_string())))?;
            file.write_all(&bytes).map_err(in_field("path"))?;
        }
        (None, None) => {}
    }
    file.set_permissions(fs::Permissions::from_mode(entry.mode)).map_err(in_field("mode"))
}

/// Opens a plain file: a pipe or a device may never answer, or never end.
fn open_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a file")) }
}

/// Makes everything in a new home belong to one user.
pub(super) fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    lchown(path, Some(uid), Some(gid))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}
