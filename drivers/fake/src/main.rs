//! The reference runtime driver: every capability of the protocol, without isolation.

mod claim;
mod create;
#[cfg(target_os = "linux")]
mod defects;
mod driver;
mod env;
mod files;
mod home;
mod options;
mod ports;
mod record;
mod start;
mod step;
mod store;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(code) = defects::stand_in() {
        return code;
    }
    kdn_protocol::driver::serve::<driver::Fake>()
}
