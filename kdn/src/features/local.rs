//! Features that lie in a folder of the user.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

use super::{Problem, error::Result, stage, tally::Tally};

/// Copies a folder into one that is there already. Files lose what their mode says, as nothing of it is to be kept.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let kind = from.symlink_metadata().map_err(Problem::file(from))?.file_type();
    if kind.is_symlink() {
        return Err(Problem::LocalLink(from.to_path_buf()));
    }
    if !kind.is_dir() {
        return Err(Problem::LocalEntry(from.to_path_buf()));
    }
    copy_folder(from, to, &mut Tally::default())
}

fn copy_folder(from: &Path, to: &Path, tally: &mut Tally) -> Result<()> {
    for entry in fs::read_dir(from).map_err(Problem::file(from))? {
        let entry = entry.map_err(Problem::file(from))?;
        tally.entry()?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Problem::file(&from))?;
        if kind.is_symlink() {
            return Err(Problem::LocalLink(from));
        }
        if kind.is_dir() {
            stage::create_folder(&to)?;
            copy_folder(&from, &to, tally)?;
        } else if kind.is_file() {
            let content = open(&from).map_err(Problem::file(&from))?;
            if !content.metadata().map_err(Problem::file(&from))?.is_file() {
                return Err(Problem::LocalEntry(from));
            }
            let mut copy = stage::create_file(&to, false)?;
            tally.copy(content, &mut copy).map_err(Problem::file(&from))??;
        } else {
            return Err(Problem::LocalEntry(from));
        }
    }
    Ok(())
}

/// Opens a file, but not what an agent at work in the same folder may have put in its place since.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    options.open(path)
}

#[cfg(all(test, unix))]
#[expect(clippy::disallowed_methods, reason = "sets the scene")]
mod tests {
    use std::os::unix::{fs::PermissionsExt as _, fs::symlink, net::UnixListener};

    use super::*;

    #[test]
    fn copies_plain_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        fs::create_dir_all(from.join("lib")).unwrap();
        fs::write(from.join("lib/x"), "x").unwrap();
        fs::set_permissions(from.join("lib/x"), fs::Permissions::from_mode(0o4777)).unwrap();
        fs::create_dir(&to).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("lib/x")).unwrap(), b"x");
        assert_eq!(fs::metadata(to.join("lib/x")).unwrap().permissions().mode() & 0o7777, 0o644);

        symlink("/etc/passwd", from.join("link")).unwrap();
        let again = dir.path().join("again");
        fs::create_dir(&again).unwrap();
        let error = copy(&from, &again).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("symlinks are not supported in local features: {}", from.join("link").display())
        );
        assert!(matches!(copy(&from.join("link"), &again), Err(Problem::LocalLink(_))));
        fs::remove_file(from.join("link")).unwrap();
        let _socket = UnixListener::bind(from.join("socket")).unwrap();
        let again = dir.path().join("third");
        fs::create_dir(&again).unwrap();
        assert!(matches!(copy(&from, &again), Err(Problem::LocalEntry(_))));
    }
}
