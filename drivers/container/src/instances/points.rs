//! Mount points in the project folder, or in what is mounted. An engine would make those that are missing as root, and the
//! user could not delete them.

use std::fs;
use std::io;
use std::iter::once;
use std::path::{Path, PathBuf};

use kdn_protocol::Mount;
use serde::{Deserialize, Serialize};

use crate::files;
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
    fn make(&self) -> io::Result<()> {
        let mut at = self.folder.clone();
        let mut parts = self.path.components().peekable();
        while let Some(part) = parts.next() {
            at.push(part);
            match fs::symlink_metadata(&at) {
                Ok(there) if there.is_dir() => {}
                // A link may lead anywhere.
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if self.is_file && parts.peek().is_none() {
                        files::create(&at, b"")?;
                    } else {
                        fs::create_dir(&at)?;
                    }
                    give(&at, &self.folder)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Gives what root has made to the owner of a folder.
#[cfg(unix)]
fn give(path: &Path, folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, lchown};
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(folder)?;
    lchown(path, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(not(unix))]
fn give(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
