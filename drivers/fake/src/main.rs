//! The reference runtime driver: a workspace is a home and ordinary processes of the user, without isolation.

mod agents;
mod claim;
mod create;
#[cfg(target_os = "linux")]
mod defects;
mod driver;
mod env;
mod files;
mod home;
mod list;
#[cfg(target_os = "linux")]
mod live;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod live;
mod options;
mod ports;
mod record;
mod remove;
mod start;
mod step;
mod stop;
mod store;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(code) = defects::stand_in() {
        return code;
    }
    live::role().unwrap_or_else(kdn_protocol::driver::serve::<driver::Fake>)
}
