//! What is on disk.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// All files and links below a folder, with their content or target; empty without the folder.
pub(super) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(tree(&path)),
            Ok(kind) if kind.is_symlink() => {
                let target = fs::read_link(&path).unwrap_or_default();
                found.insert(path, target.into_os_string().into_encoded_bytes());
            }
            Ok(kind) if kind.is_file() => {
                let content = fs::read(&path).unwrap_or_default();
                found.insert(path, content);
            }
            _ => drop(found.insert(path, Vec::new())),
        }
    }
    found
}

/// The files below a folder whose content or path holds this text.
pub(super) fn that_contain(folder: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |bytes: &[u8]| bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes());
    let all = tree(folder).into_iter();
    all.filter(|(path, content)| holds(content) || path.to_string_lossy().contains(text))
        .map(|(path, _)| path)
        .collect()
}

/// All files, links and folders below a folder: mode, owner, group, and content or target.
#[cfg(unix)]
pub(super) fn belongings(folder: &Path) -> BTreeMap<PathBuf, (String, u32, u32, String)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        let mut content = Vec::new();
        if metadata.is_dir() {
            found.extend(belongings(&path));
        } else if metadata.is_symlink() {
            content = fs::read_link(&path).unwrap_or_default().into_os_string().into_encoded_bytes();
        } else {
            content = fs::read(&path).unwrap_or_default();
        }
        let content = String::from_utf8_lossy(&content).into_owned();
        let mode = format!("{:o}", metadata.mode());
        found.insert(path, (mode, metadata.uid(), metadata.gid(), content));
    }
    found
}

#[cfg(not(unix))]
pub(super) fn belongings(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    tree(folder)
}
