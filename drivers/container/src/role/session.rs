//! Runs a program in a session of its own, for what it leaves running and does not put into one itself.

use std::ffi::OsString;

use crate::error::Result;
#[cfg(unix)]
use crate::error::{Doing, Error};

/// The argument that chooses this role; the program and its arguments follow.
pub const SESSION: &str = "session";

/// Becomes the program.
#[cfg(unix)]
pub(super) fn run(command: &[OsString]) -> Result<()> {
    rustix::process::setsid().map_err(std::io::Error::from).doing("open a session")?;
    let Some((program, args)) = command.split_first() else {
        return Err(Error::internal("no program is named"));
    };
    Err(crate::process::replace(program, args)).doing(program.display())
}

#[cfg(not(unix))]
pub(super) fn run(_: &[OsString]) -> Result<()> {
    Err(crate::error::Error::internal("there are no sessions here"))
}
