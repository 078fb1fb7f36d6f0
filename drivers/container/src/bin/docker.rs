//! The docker driver's executable.

use std::process::ExitCode;

use kdn_runtime_container::{engine::Docker, role};

fn main() -> ExitCode {
    role::main::<Docker>()
}
