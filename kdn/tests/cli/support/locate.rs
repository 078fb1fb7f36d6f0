//! Executables: those of this workspace, and the tools of the machine.

use std::path::{Path, PathBuf};

/// The executable of a driver, beside that of kdn.
pub(crate) fn driver(name: &str) -> PathBuf {
    built(&format!("kdn-runtime-{name}"))
}

/// An executable of this workspace, beside that of kdn.
pub(crate) fn built(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_kdn")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// A tool of the machine. Where it is missing the test is to be skipped, unless `KDN_REQUIRE` names the tool.
pub(crate) fn skip_unless(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.is_file());
    if found.is_none() {
        skip(tool, "not found");
    }
    found
}

/// Says that a test is skipped; fails it when `KDN_REQUIRE` names the tool.
pub(crate) fn skip(tool: &str, why: &str) {
    let required = std::env::var("KDN_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == tool), "{tool} is required: {why}");
    eprintln!("skipped: {tool} {why}");
}
