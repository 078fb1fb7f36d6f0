//! What registries have sent, by its digest.
//!
//! An entry is a file with the content as it was sent, so that each use can check it anew: one that was cut short or
//! changed since is not used, and replaced. Two processes that write the same entry write the same content, each at
//! once, and neither has to wait.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use super::{Problem, digest::Digest, error::Result};
use crate::files;

pub(super) const FOLDER: &str = "blobs";

/// What registries have sent, by its digest.
#[derive(Debug)]
pub(super) struct Cache(PathBuf);

impl Cache {
    /// The cache in the folder that all features share.
    pub(super) fn new(features: &Path) -> Self {
        Self(features.join(FOLDER))
    }

    /// The content of a digest; what `fetch` brings, and what fits, where it is not there yet.
    pub(super) fn get(
        &self,
        digest: Digest,
        largest: u64,
        fetch: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let path = self.0.join(digest.hex());
        if let Some(content) = read(&path, largest).filter(|content| digest.check(content).is_ok()) {
            return Ok(content);
        }
        let content = fetch()?;
        digest.check(&content)?;
        files::create_folder(&self.0, 0o700).map_err(Problem::file(&self.0))?;
        files::write_atomic(&path, &content, 0o600).map_err(Problem::file(&path))?;
        Ok(content)
    }
}

/// Removes what was being written when a process was killed.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn read(path: &Path, largest: u64) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path).ok()?.take(largest + 1).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "sets the scene")]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_is_kept_and_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let (good, digest) = (b"content".to_vec(), Digest::of(b"content"));
        let no = || -> Result<Vec<u8>> { panic!("it is in the cache") };
        assert!(matches!(cache.get(digest, 9, || Ok(b"other".to_vec())), Err(Problem::Mismatch { .. })));
        assert!(!dir.path().join(FOLDER).exists());
        assert_eq!(cache.get(digest, 9, || Ok(good.clone())).unwrap(), good);
        assert_eq!(cache.get(digest, 9, no).unwrap(), good);

        let entry = dir.path().join(FOLDER).join(digest.hex());
        for broken in [&b"cont"[..], b"c0ntent", b"much too long"] {
            fs::write(&entry, broken).unwrap();
            assert_eq!(
                cache.get(digest, 9, || Ok(good.clone())).unwrap(),
                good,
                "a broken entry is replaced"
            );
            assert_eq!(cache.get(digest, 9, no).unwrap(), good);
        }
        fs::write(dir.path().join(FOLDER).join(".half.tmp"), "c").unwrap();
        sweep(&dir.path().join(FOLDER)).unwrap();
        assert_eq!(fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 1);
    }
}
