//! All files of a folder of the host, on their way into a home.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Error, home::Home};

/// Which folder is read, for what is said when that fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) walk: &'static str,
    pub(super) stat: &'static str,
}

pub(super) const SETTINGS: Reading =
    Reading { walk: "failed to walk agent settings directory", stat: "failed to stat agent settings file" };

pub(super) const SKILLS: Reading =
    Reading { walk: "failed to walk skills directory", stat: "failed to stat skills file" };

/// The user's settings for an agent: those below `config/<agent>` of the storage, if there are any.
pub(super) fn settings(storage: &Path, agent: &str) -> Result<Home, Error> {
    if agent.contains(['/', '\\']) || agent.contains("..") {
        return Err(Error::Name(agent.to_owned()));
    }
    let mut home = Home::default();
    let folder = storage.join("config").join(agent);
    match fs::metadata(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(home),
        Err(error) => return Err(Error::Read { doing: SETTINGS.walk, path: folder, error }),
        // A file such as projects.json is no folder of an agent.
        Ok(data) if !data.is_dir() => return Ok(home),
        Ok(_) => {}
    }
    add(&mut home, &folder, "", SETTINGS)?;
    Ok(home)
}

/// Adds all files below a folder, which is to be `target` in the home. Links are followed.
pub(super) fn add(home: &mut Home, folder: &Path, target: &str, reading: Reading) -> Result<(), Error> {
    walk(home, folder, target, reading, &mut Vec::new())
}

fn walk(
    home: &mut Home,
    folder: &Path,
    target: &str,
    reading: Reading,
    above: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let failed = |doing, path: &Path, error| Error::Read { doing, path: path.to_owned(), error };
    let real = folder.canonicalize().map_err(|error| failed(reading.walk, folder, error))?;
    if above.contains(&real) {
        let error = io::Error::other("it is a link to a folder above it");
        return Err(failed(reading.walk, folder, error));
    }
    above.push(real);
    for entry in fs::read_dir(folder).map_err(|error| failed(reading.walk, folder, error))? {
        let path = entry.map_err(|error| failed(reading.walk, folder, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| failed(reading.walk, &path, io::Error::other("its name is not UTF-8")))?;
        let inside = if target.is_empty() { name.to_owned() } else { format!("{target}/{name}") };
        let data = fs::metadata(&path).map_err(|error| failed(reading.stat, &path, error))?;
        if data.is_dir() {
            walk(home, &path, &inside, reading, above)?;
        } else if data.is_file() {
            home.add(inside, path, is_executable(&data));
        } else {
            return Err(failed(reading.stat, &path, io::Error::other("it is not a file")));
        }
    }
    above.pop();
    Ok(())
}

#[cfg(unix)]
fn is_executable(data: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
