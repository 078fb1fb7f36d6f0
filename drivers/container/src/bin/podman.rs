//! The podman driver's executable.

use std::process::ExitCode;

use kdn_runtime_container::{engine::Podman, role};

fn main() -> ExitCode {
    role::main::<Podman>()
}
