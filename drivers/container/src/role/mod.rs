//! The roles of an executable: the driver, or a helper of it, in a process of its own.

mod attach;
mod guard;
mod network;
mod tied;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::driver::ContainerDriver;
use crate::engine::Kind;
use crate::error::Result;

pub use attach::ATTACH;
pub use guard::GUARD;
pub use network::CUT_OFF;
pub use tied::TIED;

/// The whole program.
pub fn main<K: Kind>() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|role| role.to_str()) {
        Some(CUT_OFF) => end(network::cut_off(&args.next().unwrap_or_default())),
        Some(ATTACH) => exit(attach::run(K::TABLE, args.collect())),
        Some(GUARD) => exit(guard::run(args.collect())),
        Some(TIED) => end(tied::run(&args.collect::<Vec<OsString>>())),
        _ => kdn_protocol::driver::serve::<ContainerDriver<K>>(),
    }
}

fn exit(status: Result<u8>) -> ExitCode {
    status.map_or_else(|error| end(Err(error)), ExitCode::from)
}

fn end(done: Result<()>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::FAILURE
}
