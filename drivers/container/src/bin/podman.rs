//! The podman driver's executable.

use std::process::ExitCode;

use kdn_runtime_container::{driver::ContainerDriver, engine::Podman};

fn main() -> ExitCode {
    kdn_protocol::driver::serve::<ContainerDriver<Podman>>()
}
