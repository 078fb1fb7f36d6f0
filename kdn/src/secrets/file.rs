//! The values of secrets in a file, for machines that have no keychain. It is as safe as the account of its owner.

use std::path::{Path, PathBuf};

use super::Problem;
use super::values::Value;

type Result<T> = std::result::Result<T, Problem>;

/// The file that `KDN_SECRETS_FILE` names: a JSON object of names and values.
#[derive(Debug, Clone)]
pub(super) struct ValuesFile(PathBuf);

impl ValuesFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(unix)]
mod unix {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::io::{self, Read as _};
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::Errno;
    use rustix::process::geteuid;

    use super::{Problem, Result, Value, ValuesFile};
    use crate::{files, output::json};

    impl ValuesFile {
        pub(in super::super) fn get(&self, names: &[String]) -> Result<Vec<Option<Value>>> {
            let values = self.read()?;
            Ok(names.iter().map(|name| values.get(name).cloned()).collect())
        }

        pub(in super::super) fn swap(&self, name: &str, value: Option<Value>) -> Result<Option<Value>> {
            let lock = files::open_lock(&self.lock_path())?;
            files::lock(&lock)?;
            let mut values = self.read()?;
            let changes = value.is_some() || values.contains_key(name);
            let old = match value {
                Some(value) => values.insert(name.to_owned(), value),
                None => values.remove(name),
            };
            if changes {
                files::write_atomic(&self.0, json::pretty(&values).as_bytes(), 0o600)?;
            }
            Ok(old)
        }

        fn lock_path(&self) -> std::path::PathBuf {
            let mut path = self.0.clone().into_os_string();
            path.push(".lock");
            path.into()
        }

        fn read(&self) -> Result<BTreeMap<String, Value>> {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let mut file = match open(&self.0, flags, Mode::empty()) {
                Ok(file) => File::from(file),
                Err(Errno::NOENT) => return Ok(BTreeMap::new()),
                Err(Errno::LOOP) => return Err(Problem::Unsafe("is a symbolic link".to_owned())),
                Err(error) => return Err(io::Error::from(error).into()),
            };
            // Of the file that was opened, so that nobody can exchange it after the look.
            check(&file)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            if bytes.trim_ascii().is_empty() {
                return Ok(BTreeMap::new());
            }
            // The error of the parser may quote a value.
            serde_json::from_slice(&bytes)
                .map_err(|error| Problem::NotValues { line: error.line(), column: error.column() })
        }
    }

    fn check(file: &File) -> Result<()> {
        let data = file.metadata()?;
        let mode = data.mode() & 0o7777;
        let problem = if !data.is_file() {
            "is not a regular file".to_owned()
        } else if data.uid() != geteuid().as_raw() {
            format!("belongs to another user (uid {})", data.uid())
        } else if data.nlink() > 1 {
            "has a second name, a hard link".to_owned()
        } else if mode != 0o600 {
            format!("has the mode {mode:04o}, not 0600")
        } else {
            return Ok(());
        };
        Err(Problem::Unsafe(problem))
    }
}

/// There is a keychain on these systems, and no mode of a file to check.
#[cfg(not(unix))]
impl ValuesFile {
    pub(super) fn get(&self, _names: &[String]) -> Result<Vec<Option<Value>>> {
        Err(Problem::Unsafe("can't be kept from others on this system: unset KDN_SECRETS_FILE".to_owned()))
    }

    pub(super) fn swap(&self, _name: &str, _value: Option<Value>) -> Result<Option<Value>> {
        self.get(&[]).map(|_| None)
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn file() -> (tempfile::TempDir, ValuesFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = ValuesFile::new(dir.path().join("values"));
        (dir, file)
    }

    fn value(text: &str) -> Value {
        Value::new(text.to_owned())
    }

    #[test]
    fn gives_back_what_was_there() {
        let (dir, file) = file();
        assert_eq!(file.swap("a", None).unwrap(), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing but the lock");
        assert_eq!(file.swap("a", Some(value("1"))).unwrap(), None);
        assert_eq!(file.swap("a", Some(value("2"))).unwrap(), Some(value("1")));
        assert_eq!(file.get(&["b".to_owned(), "a".to_owned()]).unwrap(), [None, Some(value("2"))]);
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(file.swap("a", None).unwrap(), Some(value("2")));
        assert_eq!(file.get(&["a".to_owned()]).unwrap(), [None]);
    }

    #[test]
    fn what_others_can_reach_is_refused() {
        let (dir, file) = file();
        file.swap("a", Some(value("1"))).unwrap();
        let refused =
            || [file.get(&[]).unwrap_err(), file.swap("a", None).unwrap_err()].map(|e| e.to_string());
        for mode in [0o644, 0o660, 0o400, 0o700, 0o4600] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let problem = format!("the file has the mode {mode:04o}, not 0600");
            assert_eq!(refused(), [problem.clone(), problem]);
        }
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let second = dir.path().join("second");
        fs::hard_link(file.path(), &second).unwrap();
        assert!(refused()[0].contains("hard link"));
        fs::remove_file(file.path()).unwrap();
        symlink(&second, file.path()).unwrap();
        assert!(refused()[0].contains("symbolic link"));
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(refused()[0].contains("regular file"));
        assert!(fs::read_to_string(second).unwrap().contains("\"a\": \"1\""), "nothing was changed");
    }

    #[test]
    fn an_error_quotes_no_value() {
        let (_dir, file) = file();
        for content in [r#""canary""#, r#"{"a": ["canary"]}"#, r#"{"a": "canary""#] {
            crate::files::write_atomic(file.path(), content.as_bytes(), 0o600).unwrap();
            let error = file.get(&[]).unwrap_err();
            assert!(matches!(error, Problem::NotValues { .. }), "{content}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
