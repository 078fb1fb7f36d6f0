//! What drivers have said of themselves, kept between runs of kdn for listing, help and completion.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::Described;
use crate::files;

/// The cache file. It may be lost at any time, and it is written only where the storage folder exists.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    path: PathBuf,
}

/// What a driver said, and by which file it is known to be still true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    described: Described,
}

/// What changes when an executable is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified: u64,
    device: u64,
    inode: u64,
}

impl Cache {
    pub(super) fn new(storage: &Path) -> Self {
        Self { path: storage.join("cache").join("drivers.json") }
    }

    /// What the executable said, unless it has changed since.
    pub(super) fn get(&self, executable: &Path) -> Option<Described> {
        let entry = self.read().remove(executable)?;
        (entry.stamp == Stamp::of(executable)?).then_some(entry.described)
    }

    /// Keeps what the executable said. Two processes may overwrite each other's entry, which costs one more question.
    pub(super) fn put(&self, executable: &Path, described: &Described) {
        let Some(storage) = self.path.parent().and_then(Path::parent).filter(|storage| storage.is_dir())
        else {
            return;
        };
        let Some(stamp) = Stamp::of(executable) else { return };
        let entry = Entry { stamp, described: described.clone() };
        let mut entries = self.read();
        if entries.get(executable) == Some(&entry) {
            return;
        }
        entries.retain(|path, _| path.exists());
        entries.insert(executable.to_path_buf(), entry);
        if let Ok(json) = serde_json::to_vec(&entries) {
            let _ = files::create_folder(&storage.join("cache"), 0o700)
                .and_then(|()| files::write_atomic(&self.path, &json, 0o600));
        }
    }

    fn read(&self) -> BTreeMap<PathBuf, Entry> {
        fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

impl Stamp {
    fn of(executable: &Path) -> Option<Self> {
        let data = executable.metadata().ok()?;
        let modified = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let (device, inode) = {
            use std::os::unix::fs::MetadataExt as _;
            (data.dev(), data.ino())
        };
        #[cfg(not(unix))]
        let (device, inode) = (0, 0);
        Some(Self { size: data.len(), modified: u64::try_from(modified.as_nanos()).ok()?, device, inode })
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{fs::File, time::SystemTime};

    use kdn_protocol::Manifest;

    use super::*;

    // SPEC: DISC-14
    #[test]
    fn what_a_file_said_is_forgotten_when_it_changes() {
        let storage = tempfile::tempdir().unwrap();
        let cache = Cache::new(storage.path());
        let path = storage.path().join("kdn-runtime-x");
        let other = storage.path().join("kdn-runtime-y");
        let described = Described { manifest: Manifest::new("x", "X", "1"), flags: Vec::new() };
        let write = |path: &Path, content: &str| {
            files::write_atomic(path, content.as_bytes(), 0o755).unwrap();
            File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        let known = || cache.get(&path).is_some();
        let learn = || {
            write(&path, "one");
            cache.put(&path, &described);
            assert!(known());
        };
        learn();
        assert_eq!(cache.get(&other), None, "another path");
        write(&other, "one");
        fs::rename(&other, &path).unwrap();
        assert!(!known(), "another inode");
        learn();
        File::open(&path).unwrap().set_modified(SystemTime::now()).unwrap();
        assert!(!known(), "another time");
        learn();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(1).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(!known(), "another size");
    }
}
