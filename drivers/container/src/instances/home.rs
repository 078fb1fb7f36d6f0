//! The files that a home begins with, as an archive that the engine unpacks.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::BASE64;
use kdn_protocol::{FileEntry, Mount};
use tar::{Builder, EntryType, Header};

use crate::error::{Error, Result};
use crate::image::HOME;

/// The archive of the files, and of the folders in which they or mounts lie; `None` if there is neither. Folders replace
/// links that the image may have in their place. What lies in a mount is the user's own, and is not touched.
pub(super) fn archive(files: &[FileEntry], mounts: &[Mount], uid: u32, gid: u32) -> Result<Option<Vec<u8>>> {
    let home = Path::new(HOME);
    let mount_of = |path: &Path| mounts.iter().find(|mount| home.join(path).starts_with(&mount.target));
    for (index, file) in files.iter().enumerate() {
        if let Some(Mount { target, .. }) = mount_of(Path::new(&file.path)) {
            let message = format!("file {:?} of the home lies in what is mounted at {target}", file.path);
            return Err(Error::invalid_workspace(format!("files[{index}].path"), message));
        }
    }
    let inside = mounts.iter().filter_map(|mount| Path::new(&mount.target).strip_prefix(home).ok());
    let mut folders = BTreeSet::new();
    for path in files.iter().map(|file| Path::new(&file.path)).chain(inside) {
        let above = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
        folders.extend(above.filter(|path| mount_of(path).is_none()));
    }
    if files.is_empty() && folders.is_empty() {
        return Ok(None);
    }
    let header = |kind, mode, size| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header.set_size(size);
        header
    };
    let mut archive = Builder::new(Vec::new());
    let failed = |error: io::Error| Error::internal(format!("failed to pack the files of the home: {error}"));
    for folder in folders {
        let mut header = header(EntryType::Directory, 0o700, 0);
        archive.append_data(&mut header, folder, io::empty()).map_err(failed)?;
    }
    for (index, file) in files.iter().enumerate() {
        let content = content(file).map_err(|(field, why)| {
            Error::invalid_workspace(
                format!("files[{index}].{field}"),
                format!("file {:?}: {why}", file.path),
            )
        })?;
        let mut header = header(EntryType::Regular, file.mode, content.len() as u64);
        archive.append_data(&mut header, &file.path, &*content).map_err(failed)?;
    }
    archive.into_inner().map(Some).map_err(failed)
}

fn content(file: &FileEntry) -> Result<Vec<u8>, (&'static str, String)> {
    let Some(source) = &file.source else {
        let content = file.content_base64.as_deref().unwrap_or_default();
        return BASE64.decode(content.as_bytes()).map_err(|error| ("contentBase64", error.to_string()));
    };
    let in_source = |error: io::Error| ("source", error.to_string());
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe or a device may never answer, or never end.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let mut from = options.open(source).map_err(in_source)?;
    if !from.metadata().map_err(in_source)?.is_file() {
        return Err(("source", "not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(in_source)?;
    Ok(bytes)
}
