//! The environment of this process: what is read of it, and nowhere else.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::path::Path;

/// Where commands are looked for.
pub(crate) fn path() -> Option<String> {
    std::env::var("PATH").ok()
}

/// The suffix of the name under which this executable was started.
pub(crate) fn driver_type() -> Option<String> {
    let program = std::env::args_os().next()?;
    let name = Path::new(&program).file_name()?.to_str()?;
    let name = name.strip_prefix("kdn-runtime-")?;
    let suffix = name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name);
    let fits = suffix.starts_with(|c: char| c.is_ascii_lowercase())
        && suffix.len() <= 63
        && suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    fits.then(|| suffix.to_owned())
}

/// What a command gets of the user's own environment: what describes the terminal, and where the machine has its
/// programs.
#[cfg(target_os = "linux")]
pub(crate) fn of_user() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| {
        matches!(name.as_str(), "PATH" | "TERM" | "COLORTERM" | "NO_COLOR" | "LANG" | "TZ")
            || name.starts_with("LC_")
    })
}

/// The file that is this backend's own store of secrets.
#[cfg(target_os = "linux")]
pub(crate) fn secret_store() -> Option<std::path::PathBuf> {
    std::env::var_os("KDN_FAKE_SECRET_STORE").map(Into::into)
}
