//! The docker driver's executable.

use std::process::ExitCode;

use kdn_runtime_container::{engine::Docker, run};

fn main() -> ExitCode {
    run::main::<Docker>()
}
