//! The one place that reads the environment.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::env::{var_os, vars_os};
use std::ffi::OsString;

/// Where programs are looked for.
pub fn path() -> Option<OsString> {
    var_os("PATH")
}

/// The names of those variables of the user's that go along with a terminal.
pub fn of_terminal() -> Vec<String> {
    let names = vars_os().filter_map(|(name, _)| name.into_string().ok());
    let wanted = |name: &String| {
        ["TERM", "COLORTERM", "NO_COLOR", "LANG", "TZ"].contains(&name.as_str()) || name.starts_with("LC_")
    };
    let mut names: Vec<String> = names.filter(wanted).collect();
    names.sort_unstable();
    names
}
