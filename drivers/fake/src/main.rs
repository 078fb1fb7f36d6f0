//! The reference runtime driver: every capability of the protocol, without isolation.

mod claim;
mod create;
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
    kdn_protocol::driver::serve::<driver::Fake>()
}
