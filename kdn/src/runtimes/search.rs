//! Finding driver executables, without starting any.

use std::{
    collections::BTreeMap,
    env::split_paths,
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::env::Env;

const PREFIX: &str = "kdn-runtime-";

/// A driver that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Its type.
    pub kind: String,
    /// Its executable.
    pub path: PathBuf,
}

/// A file with a driver's name that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The type that it would be.
    pub kind: String,
    /// The file.
    pub path: PathBuf,
    /// Why it is not used.
    pub why: Why,
}

/// Why a file with a driver's name is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A folder that is searched earlier has a driver of the same type.
    Shadowed(PathBuf),
    /// Nobody may execute it.
    NotExecutable,
    /// Anybody may replace this file, or put another in this folder.
    WritableByEveryone(PathBuf),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadowed(by) => write!(f, "shadowed by {}", by.display()),
            Self::NotExecutable => write!(f, "not executable"),
            Self::WritableByEveryone(path) => write!(f, "{} is writable by everyone", path.display()),
        }
    }
}

/// The folders in which drivers are looked for, in their order.
#[derive(Debug, Clone)]
pub struct Search {
    folders: Vec<Folder>,
}

#[derive(Debug, Clone)]
struct Folder {
    path: PathBuf,
    /// Whether the user named it as a place of drivers, so that its permissions are the user's business.
    trusted: bool,
}

impl Search {
    /// `KDN_DRIVER_PATH`, the storage folder's `drivers`, the folder of kdn itself and `libexec/kdn` beside it, and
    /// `PATH`. Folders that are not absolute or do not exist are left out.
    pub fn new(env: &Env, storage: &Path, own_executable: Option<&Path>) -> Self {
        let list = |value: &Option<std::ffi::OsString>| -> Vec<PathBuf> {
            value.as_deref().map(|value| split_paths(value).collect()).unwrap_or_default()
        };
        let own = own_executable.and_then(|path| path.canonicalize().ok());
        let own = own.as_deref().and_then(Path::parent);
        let libexec = own.and_then(Path::parent).map(|prefix| prefix.join("libexec").join("kdn"));

        let named = list(&env.driver_path).into_iter().map(|path| (path, true));
        let others = [Some(storage.join("drivers")), own.map(Path::to_path_buf), libexec];
        let others = others.into_iter().flatten().chain(list(&env.path)).map(|path| (path, false));

        let mut folders: Vec<Folder> = Vec::new();
        for (path, trusted) in named.chain(others) {
            let Some(path) =
                Some(path).filter(|path| path.is_absolute()).and_then(|path| path.canonicalize().ok())
            else {
                continue;
            };
            if !folders.iter().any(|folder| folder.path == path) {
                folders.push(Folder { path, trusted });
            }
        }
        Self { folders }
    }

    /// The driver of one type, with the files of its name that are not used.
    pub fn find(&self, kind: &str) -> (Option<Driver>, Vec<Rejected>) {
        if !is_type(kind) {
            return (None, Vec::new());
        }
        let mut found = None;
        let mut rejected = Vec::new();
        let file = format!("{PREFIX}{kind}{}", std::env::consts::EXE_SUFFIX);
        for folder in &self.folders {
            let path = folder.path.join(&file);
            if path.symlink_metadata().is_ok() {
                judge(kind, path, folder.trusted, &mut found, &mut rejected);
            }
        }
        (found, rejected)
    }

    /// All drivers, by their types, with the files that are not used.
    pub fn all(&self) -> (Vec<Driver>, Vec<Rejected>) {
        let mut found = BTreeMap::new();
        let mut rejected = Vec::new();
        for folder in &self.folders {
            let mut files: Vec<_> = fs::read_dir(&folder.path).into_iter().flatten().flatten().collect();
            files.sort_by_key(fs::DirEntry::file_name);
            for file in files {
                let name = file.file_name();
                let Some(kind) = name.to_str().and_then(type_of) else { continue };
                let slot: &mut Option<Driver> = found.entry(kind.to_owned()).or_default();
                judge(kind, file.path(), folder.trusted, slot, &mut rejected);
            }
        }
        (found.into_values().flatten().collect(), rejected)
    }
}

fn judge(kind: &str, path: PathBuf, trusted: bool, found: &mut Option<Driver>, rejected: &mut Vec<Rejected>) {
    let why = match (&found, refusal(&path, trusted)) {
        (_, Some(why)) => why,
        (Some(first), None) => Why::Shadowed(first.path.clone()),
        (None, None) => {
            *found = Some(Driver { kind: kind.to_owned(), path });
            return;
        }
    };
    rejected.push(Rejected { kind: kind.to_owned(), path, why });
}

/// The type that a file of this name is a driver of.
fn type_of(file_name: &str) -> Option<&str> {
    let name = file_name.strip_suffix(std::env::consts::EXE_SUFFIX)?;
    name.strip_prefix(PREFIX).filter(|kind| is_type(kind))
}

pub(crate) fn is_type(kind: &str) -> bool {
    kind.len() <= 63
        && kind.starts_with(|c: char| c.is_ascii_lowercase())
        && kind.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(unix)]
fn refusal(path: &Path, trusted: bool) -> Option<Why> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = |path: &Path| path.metadata().map(|data| data.permissions().mode());
    let Ok(target) = path.canonicalize() else { return Some(Why::NotExecutable) };
    if !target.is_file() || mode(&target).unwrap_or(0) & 0o111 == 0 {
        return Some(Why::NotExecutable);
    }
    if trusted {
        return None;
    }
    let folders = [Some(target.as_path()), target.parent(), path.parent()];
    let open = folders.into_iter().flatten().find(|path| mode(path).unwrap_or(0o777) & 0o002 != 0);
    open.map(|path| Why::WritableByEveryone(path.to_path_buf()))
}

#[cfg(not(unix))]
fn refusal(path: &Path, _trusted: bool) -> Option<Why> {
    (!path.is_file()).then_some(Why::NotExecutable)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};

    use super::*;

    fn folder(root: &Path, name: &str, drivers: &[(&str, u32)]) -> PathBuf {
        let path = root.join(name);
        fs::DirBuilder::new().mode(0o755).create(&path).unwrap();
        for (driver, mode) in drivers {
            let file = path.join(format!("kdn-runtime-{driver}"));
            fs::OpenOptions::new().write(true).create_new(true).mode(*mode).open(&file).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(*mode)).unwrap();
        }
        path
    }

    fn search(driver_path: &Path, path: &[&Path]) -> Search {
        let env = Env {
            driver_path: Some(driver_path.into()),
            path: Some(std::env::join_paths(path).unwrap()),
            ..Env::default()
        };
        Search::new(&env, Path::new("/nowhere"), None)
    }

    // SPEC: DISC-02, DISC-09
    #[test]
    fn the_first_folder_wins_and_the_others_are_told() {
        let root = tempfile::tempdir().unwrap();
        let one = folder(root.path(), "one", &[("a", 0o755)]);
        let two = folder(root.path(), "two", &[("a", 0o755), ("b", 0o755), ("Nope", 0o755)]);
        let search = search(&one, &[Path::new("two"), &two, &two]);
        let (drivers, rejected) = search.all();
        assert_eq!(
            drivers.iter().map(|d| d.path.as_path()).collect::<Vec<_>>(),
            [one.join("kdn-runtime-a"), two.join("kdn-runtime-b")]
        );
        assert_eq!(rejected.len(), 1);
        assert_eq!(rejected[0].why, Why::Shadowed(one.join("kdn-runtime-a")));
        assert_eq!(search.find("a"), (Some(drivers[0].clone()), rejected));
        assert_eq!(search.find("../one/kdn-runtime-a").0, None);
    }

    // SPEC: DISC-05, DISC-06, DISC-07
    #[test]
    fn what_everyone_may_write_is_refused_unless_it_was_named() {
        let root = tempfile::tempdir().unwrap();
        let named = folder(root.path(), "named", &[("a", 0o777)]);
        let open = folder(root.path(), "open", &[("b", 0o755)]);
        let sound = folder(root.path(), "sound", &[("c", 0o757), ("d", 0o644)]);
        std::os::unix::fs::symlink(open.join("kdn-runtime-b"), sound.join("kdn-runtime-e")).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        let (drivers, rejected) = search(&named, &[&open, &sound]).all();
        assert_eq!(drivers.len(), 1, "{drivers:?}");
        let why: Vec<_> = rejected.iter().map(|r| (r.kind.as_str(), r.why.clone())).collect();
        assert_eq!(
            why,
            [
                ("b", Why::WritableByEveryone(open.clone())),
                ("c", Why::WritableByEveryone(sound.join("kdn-runtime-c"))),
                ("d", Why::NotExecutable),
                ("e", Why::WritableByEveryone(open)),
            ]
        );
    }

    // SPEC: DISC-01
    #[test]
    fn names_of_drivers() {
        let longest = format!("kdn-runtime-{}", "a".repeat(63));
        for name in ["kdn-runtime-a", "kdn-runtime-k8s", "kdn-runtime-a--", &longest] {
            assert!(type_of(name).is_some(), "{name}");
        }
        let too_long = format!("{longest}a");
        let others = [
            "kdn-runtime-",
            "kdn-runtime-A",
            "kdn-runtime-1a",
            "kdn-runtime--a",
            "kdn-runtime-a_b",
            "kdn-runtime-\u{e9}",
        ];
        for name in others.iter().chain(&["kdn-runtime-a.sh", "xkdn-runtime-a", "kdn-runtime", &too_long]) {
            assert_eq!(type_of(name), None, "{name}");
        }
    }

    // SPEC: DISC-02, DISC-03, DISC-04, DISC-08
    #[test]
    fn the_folders_come_in_their_order() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let make = |name| folder(&root, name, &[("a", 0o755)]);
        let [named, path, own] = ["named", "path", "bin"].map(make);
        for name in ["storage", "libexec"] {
            folder(&root, name, &[]);
        }
        let [drivers, libexec] = ["storage/drivers", "libexec/kdn"].map(make);
        let refused = folder(&root, "refused", &[("a", 0o644)]);
        folder(&own, "sub", &[]);
        std::os::unix::fs::symlink(&path, root.join("link")).unwrap();
        let kdn = own.join("kdn-runtime-a");
        let list = |folders: &[&Path]| Some(std::env::join_paths(folders).unwrap());
        let env = Env {
            driver_path: list(&[Path::new(""), &refused, &named]),
            path: list(&[Path::new("named"), &root.join("link"), &path, &own.join("sub/..")]),
            ..Env::default()
        };
        let (found, rejected) = Search::new(&env, &root.join("storage"), Some(&kdn)).find("a");
        assert_eq!(found.unwrap().path, named.join("kdn-runtime-a"), "behind the refused one");
        let others: Vec<_> = rejected.iter().map(|rejected| rejected.path.parent().unwrap()).collect();
        assert_eq!(others, [&refused, &drivers, &own, &libexec, &path]);
    }

    // SPEC: DISC-06
    #[test]
    fn a_link_is_as_open_as_all_that_it_leads_through() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let target = folder(&root, "target", &[("a", 0o755)]);
        let links = folder(&root, "links", &[]);
        let (file, link) = (target.join("kdn-runtime-a"), links.join("kdn-runtime-a"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(refusal(&link, false), None);
        for open in [&links, &target, &file] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o1777)).unwrap();
            assert_eq!(refusal(&link, false), Some(Why::WritableByEveryone(open.clone())));
            assert_eq!(refusal(&link, true), None);
            fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}
