//! Runs a program that is killed when the process that started this one is.

use std::ffi::OsString;

#[cfg(target_os = "linux")]
use crate::error::Doing;
use crate::error::{Error, Result};

/// The argument that chooses this role; the program and its arguments follow.
pub const TIED: &str = "tied";

/// Becomes the program.
#[cfg(target_os = "linux")]
pub(super) fn run(command: &[OsString]) -> Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};

    let Some((program, args)) = command.split_first() else {
        return Err(Error::internal("no program is named"));
    };
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(std::io::Error::from)
        .doing("tie the program")?;
    Err(crate::process::replace(program, args)).doing(program.display())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn run(_: &[OsString]) -> Result<()> {
    Err(Error::internal("processes can't be tied here"))
}
