//! Mount points in the project folder, or in what is mounted. An engine would make those that are missing as root, and the
//! user could not delete them.

use std::fs;
use std::io;
use std::iter::once;
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use kdn_protocol::Mount;
use serde::{Deserialize, Serialize};

use crate::image::SOURCES;

/// A place on the host at which a mount appears inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Point {
    /// The folder that appears inside around it.
    folder: PathBuf,
    /// The path in that folder.
    path: PathBuf,
    is_file: bool,
}

/// The mount points of the mounts that lie in the sources, or in another mount.
pub(super) fn find(source: &Path, mounts: &[Mount]) -> Vec<Point> {
    let sources = Mount::new(source, SOURCES, false);
    let point = |mount: &Mount| {
        let below = |folder: &&Mount| Path::new(&mount.target).strip_prefix(&folder.target).ok();
        let around = once(&sources).chain(mounts).filter(|folder| folder.target != mount.target);
        let folder =
            around.filter(|folder| below(folder).is_some()).max_by_key(|folder| folder.target.len())?;
        // Where nothing may be written, the engine says so.
        let path = below(&folder).filter(|_| !folder.read_only)?.to_owned();
        Some(Point { folder: folder.host.clone(), path, is_file: mount.host.is_file() })
    };
    mounts.iter().filter_map(point).collect()
}

/// Makes those that are missing, for the owner of the folder that they lie in. One that can't be made is left to the engine.
pub(super) fn make(points: &[Point]) {
    for point in points {
        let _ = point.make();
    }
}

impl Point {
    /// Goes down from folder to folder without following links, which may lead anywhere, also while this goes on.
    #[cfg(unix)]
    fn make(&self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;

        use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, mkdirat, openat};
        use rustix::io::Errno;

        let around = fs::File::open(&self.folder)?;
        let owner = rustix::process::geteuid().is_root().then(|| around.metadata()).transpose()?;
        let give = |made: &OwnedFd| match &owner {
            Some(owner) => fchown(made, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid()))),
            None => Ok(()),
        };
        let folder = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at = OwnedFd::from(around);
        let mut parts = self.path.iter().peekable();
        while let Some(part) = parts.next() {
            if self.is_file && parts.peek().is_none() {
                let new = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                give(&openat(&at, part, new, Mode::from(0o644))?)?;
                continue;
            }
            let made = match mkdirat(&at, part, Mode::from(0o755)) {
                Err(Errno::EXIST) => false,
                made => made.map(|()| true)?,
            };
            at = openat(&at, part, folder, Mode::empty())?;
            if made {
                give(&at)?;
            }
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn make(&self) -> io::Result<()> {
        let path = self.folder.join(&self.path);
        if self.is_file {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::OpenOptions::new().write(true).create_new(true).open(path).map(drop)
        } else {
            fs::create_dir_all(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    #[cfg(unix)]
    fn no_link_is_followed() {
        let world = tempfile::tempdir().unwrap();
        let [source, elsewhere] = ["source", "elsewhere"].map(|name| world.path().join(name));
        fs::create_dir(&source).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, source.join("a")).unwrap();
        make(&find(&source, &[Mount::new(&elsewhere, "/workspace/sources/a/b", false)]));
        assert!(!elsewhere.join("b").exists());
    }

    #[test]
    fn the_folder_around_it_is_the_closest_one() {
        let world = tempfile::tempdir().unwrap();
        let [source, data, file] = ["source", "data", "file"].map(|name| world.path().join(name));
        fs::create_dir(&source).unwrap();
        fs::create_dir(&data).unwrap();
        files::write(&file, b"kept").unwrap();
        let mount = |host: &Path, target: &str| Mount::new(host, target, false);
        let points = find(
            &source,
            &[
                mount(&data, "/workspace/sources/a/b"),
                mount(&file, "/workspace/sources/a/b/c/file"),
                mount(&data, "/elsewhere"),
            ],
        );
        make(&points);
        assert!(source.join("a/b").is_dir());
        assert!(!source.join("a/b/c").exists());
        assert_eq!(fs::read(data.join("c/file")).unwrap(), b"");
        assert_eq!(points.len(), 2);
        make(&points);
    }
}
