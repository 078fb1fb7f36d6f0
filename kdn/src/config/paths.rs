//! The variables in paths, and paths without `.` and `..`.

use std::path::{Component, Path, PathBuf};

/// What a path in a configuration may start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// `$SOURCES`: the folder that the agent works on.
    Sources,
    /// `$HOME`: the home folder.
    Home,
}

impl Variable {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sources => "$SOURCES",
            Self::Home => "$HOME",
        }
    }

    /// Takes the variable off a path. What follows need not be a `/`: `$HOMEx` is `$HOME/x`.
    pub(super) fn split(path: &str) -> Option<(Self, &str)> {
        [Self::Sources, Self::Home].into_iter().find_map(|it| Some((it, path.strip_prefix(it.name())?)))
    }
}

/// Joins two paths of a workspace, which are always Unix paths, without `.`, `..` and empty parts.
///
/// As `base` is absolute, so is the result; `..` does not lead above the root.
pub(super) fn join_inside(base: &str, rest: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(rest.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Joins two paths of the host without `.` and `..`. Symbolic links are not looked at: `link/..` is where the link is.
pub(super) fn join_host(base: &Path, rest: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let rest = rest.trim_start_matches(std::path::is_separator);
    for part in base.components().chain(Path::new(rest).components()) {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    path
}

/// Whether `path` is `folder` or below; both are results of [`join_inside`].
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    folder == "/" || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The folder that the target of a mount must stay in: `$SOURCES` may climb one level, to its siblings.
pub(super) fn bound(variable: Variable, place: &str) -> String {
    match variable {
        Variable::Sources => join_inside(place, ".."),
        Variable::Home => join_inside(place, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn joins_inside() {
        assert_eq!(join_inside("/workspace/sources", "/../main/./x/"), "/workspace/main/x");
        assert_eq!(join_inside("/home/agent", "x"), "/home/agent/x");
        assert_eq!(join_inside("/a", "../../.."), "/");
    }

    #[cfg(unix)]
    #[test]
    fn joins_on_the_host() {
        let join = |base: &str, rest| join_host(Path::new(base), rest);
        assert_eq!(join("/src/app", "/../main"), Path::new("/src/main"));
        assert_eq!(join("/src/app", "//etc/./x/"), Path::new("/src/app/etc/x"));
        assert_eq!(join("/a/../b", ""), Path::new("/b"));
        assert_eq!(join("/", "../.."), Path::new("/"));
    }

    #[test]
    fn a_folder_of_a_similar_name_is_outside() {
        assert!(is_within("/a/b", "/a") && is_within("/a", "/a") && is_within("/x", "/"));
        assert!(!is_within("/ab", "/a") && !is_within("/", "/a"));
    }

    proptest! {
        #[test]
        fn a_joined_path_is_clean(base in "(/[a.]{1,3}){0,3}", rest in "[a./]{0,12}") {
            let path = join_inside(&base, &rest);
            prop_assert!(path.starts_with('/'));
            prop_assert!(path == "/" || path.split('/').skip(1).all(|part| !matches!(part, "" | "." | "..")));
            prop_assert_eq!(join_inside(&path, ""), path);
        }
    }
}
