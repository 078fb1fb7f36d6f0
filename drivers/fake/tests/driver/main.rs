//! The driver as a host sees it: its executable, driven line by line over pipes.
#![expect(clippy::disallowed_methods, reason = "tests set the scene by hand")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::needless_pass_by_value, reason = "`json!` makes values to give away")]

mod client;
#[cfg(target_os = "linux")]
mod gateway;
#[cfg(target_os = "linux")]
mod install;
mod lifecycle;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod rollback;
#[cfg(target_os = "linux")]
mod running;
mod state;
#[cfg(target_os = "linux")]
mod terminal;
