//! The suite as a driver's own crate runs it from `cargo test`, here for the smallest driver.

use std::{env, os::unix::fs::symlink, path::Path, process::ExitCode};

use kdn_conformance::{fixture::Fixture, harness};

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    // A driver is known by its name.
    let driver = folder.path().join("kdn-runtime-minimal");
    let built = Path::new(env!("CARGO_BIN_EXE_kdn-conformance")).with_file_name("examples");
    symlink(built.join("minimal"), &driver).expect("a link");
    harness::main(&driver, Fixture::default())
}
