//! The folder that an image is built from, there only while that goes on.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{HOME, Recipe, USER, containerfile};
use crate::error::{Doing, Result};
use crate::{files, shell};

/// A folder for the time of a build; deleted when it is dropped.
#[derive(Debug)]
pub struct BuildFolder(PathBuf);

impl BuildFolder {
    pub fn new(folder: PathBuf) -> Result<Self> {
        // Of a driver that was killed.
        let _ = fs::remove_dir_all(&folder);
        files::in_folder(&folder, || Ok(())).doing("failed to create temporary build directory")?;
        Ok(Self(folder))
    }

    /// The folder of what goes into the image.
    pub(super) fn context(&self) -> Result<PathBuf> {
        self.part("context")
    }

    /// The folder of what the engine needs only while it works.
    pub(super) fn scratch(&self) -> Result<PathBuf> {
        self.part("scratch")
    }

    fn part(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::create_dir_all(&path).doing("failed to create temporary build directory")?;
        Ok(path)
    }

    /// Writes all that goes into the image; returns a digest of it. `base` is the id of the base image.
    pub(super) fn fill(&self, recipe: &Recipe, base: &str) -> Result<String> {
        let doing = "failed to write the build directory";
        let root = self.context()?;
        let write = |name: &str, text: &str, mode: u32| {
            let path = root.join(name);
            files::write(&path, text.as_bytes()).and_then(|()| set_mode(&path, mode)).doing(doing)
        };
        let containerfile = containerfile::render(recipe)?;
        write("Containerfile", &containerfile, 0o644)?;
        write("sudoers", &containerfile::sudoers(&recipe.image.sudo()), 0o440)?;
        for (index, feature) in recipe.features.iter().enumerate() {
            let folder = format!("features/feature-{index}");
            files::copy_folder(&feature.directory, &root.join(&folder))
                .doing(format_args!("failed to copy feature {:?}", feature.id))?;
            let options = feature.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let user = [
                ("_REMOTE_USER", USER),
                ("_REMOTE_USER_HOME", HOME),
                ("_CONTAINER_USER", USER),
                ("_CONTAINER_USER_HOME", HOME),
            ];
            // Not `export`: it takes fewer names than an environment can have.
            let variables = user.into_iter().chain(options).map(|(name, value)| format!("{name}={value}"));
            let script = format!("exec env -- {} ./install.sh\n", shell::join(variables));
            write(&format!("{folder}/.kdn-install"), &script, 0o644)?;
        }
        let mut digest = Sha256::new();
        digest.update(format!("{base} {} {}\n", recipe.uid, recipe.gid));
        add(&mut digest, &root, Path::new("")).doing("failed to read the build directory")?;
        Ok(data_encoding::HEXLOWER.encode(&digest.finalize()))
    }
}

impl Drop for BuildFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        if let Some(parent) = self.0.parent() {
            // Not if another one is in it.
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Adds the files of a folder to a digest: their paths, modes and contents.
fn add(digest: &mut Sha256, root: &Path, folder: &Path) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(root.join(folder))?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            add(digest, root, &path)?;
            continue;
        }
        let metadata = entry.metadata()?;
        digest.update(format!("{} {} {}\n", path.display(), is_executable(&metadata), metadata.len()));
        let mut file = fs::File::open(entry.path())?;
        let mut buffer = vec![0; 64 * 1024];
        while let read @ 1.. = file.read(&mut buffer)? {
            digest.update(&buffer[..read]);
        }
    }
    Ok(())
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
