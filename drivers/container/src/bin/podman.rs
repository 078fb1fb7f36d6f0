//! The podman driver's executable.

use std::process::ExitCode;

use kdn_runtime_container::{engine::Podman, run};

fn main() -> ExitCode {
    run::main::<Podman>()
}
