//! The environment of this process: what is read of it, and nowhere else.

/// Where commands are looked for.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn path() -> Option<String> {
    std::env::var("PATH").ok()
}

/// The variables that are the user's own and no business of a workspace.
///
/// None on Windows, where programs do not even start without some of them.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn foreign() -> impl Iterator<Item = String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| cfg!(unix) && !describes_terminal(name))
}

fn describes_terminal(name: &str) -> bool {
    matches!(name, "TERM" | "COLORTERM" | "NO_COLOR" | "LANG" | "TZ") || name.starts_with("LC_")
}
