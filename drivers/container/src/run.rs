//! Which of its roles an executable plays.

use std::process::ExitCode;

use crate::driver::ContainerDriver;
use crate::engine::Kind;
use crate::loopback;

/// The whole program.
pub fn main<K: Kind>() -> ExitCode {
    loopback::role().unwrap_or_else(kdn_protocol::driver::serve::<ContainerDriver<K>>)
}
