//! The one place that reads the environment.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::env::{split_paths, var, var_os};
use std::path::PathBuf;

/// What an agent's installation is looked for by.
#[derive(Debug, Clone, Default)]
pub struct HostUser {
    /// The home of the user, where links on the way to it are resolved.
    pub home: Option<PathBuf>,
    /// The absolute folders of `PATH`.
    pub path: Vec<PathBuf>,
}

impl HostUser {
    pub fn current() -> Self {
        let home = var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let path =
            var_os("PATH").map(|path| split_paths(&path).filter(|folder| folder.is_absolute()).collect());
        Self { home: home.and_then(|home| home.canonicalize().ok()), path: path.unwrap_or_default() }
    }
}

/// What of the user's environment goes along with a terminal.
pub fn of_terminal() -> Vec<(String, String)> {
    let names = ["TERM", "COLORTERM", "LANG"];
    names.into_iter().filter_map(|name| Some((name.to_owned(), var(name).ok()?))).collect()
}
