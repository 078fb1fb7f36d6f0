//! Runs a command that is to be brought to an end in its own way when it is not wanted any more.

use std::ffi::OsString;

use crate::error::{Doing, Error, Result};
use crate::process::{self, Call};

/// The argument that chooses this role; an [`Ending`](process::Ending) as JSON follows, the program and its arguments. It is not
/// wanted any more at the end of stdin.
pub const GUARD: &str = "guard";

/// Runs the command to its end; returns the status with which this process is to exit.
pub(super) fn run(args: Vec<OsString>) -> Result<u8> {
    let args: Result<Vec<String>, OsString> = args.into_iter().map(OsString::into_string).collect();
    let args = args.map_err(|arg| Error::internal(format!("{} is not UTF-8", arg.display())))?;
    let [ending, program, args @ ..] = &args[..] else { return Err(Error::internal("no program is named")) };
    let ending = serde_json::from_str(ending).map_err(|error| Error::internal(error.to_string()))?;
    let call = Call { program: program.into(), args: args.to_vec(), ..Call::default() };
    // A rootless podman keeps programs for the network in the session that it finds: they are not to end with that of kdn.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(process::guard(call, ending)).doing(program)
}
