//! The roles of an executable: the driver, or a helper of it, in a process of its own.

mod attach;
mod network;
mod session;
mod tied;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::driver::ContainerDriver;
use crate::engine::Kind;
use crate::error::Result;

pub use attach::ATTACH;
pub use network::CUT_OFF;
pub use session::SESSION;
pub use tied::TIED;

/// The whole program.
pub fn main<K: Kind>() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|role| role.to_str()) {
        Some(CUT_OFF) => end(network::cut_off(&args.next().unwrap_or_default())),
        Some(ATTACH) => match attach::run(K::TABLE, args.collect()) {
            Ok(status) => ExitCode::from(status),
            Err(error) => end(Err(error)),
        },
        Some(TIED) => end(tied::run(&args.collect::<Vec<OsString>>())),
        Some(SESSION) => end(session::run(&args.collect::<Vec<OsString>>())),
        _ => kdn_protocol::driver::serve::<ContainerDriver<K>>(),
    }
}

fn end(done: Result<()>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::FAILURE
}
