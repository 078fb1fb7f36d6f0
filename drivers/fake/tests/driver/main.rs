//! The driver as a host sees it: its executable, driven line by line over pipes.
#![expect(clippy::disallowed_methods, reason = "tests set the scene by hand")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::needless_pass_by_value, reason = "`json!` makes values to give away")]

mod client;
mod lifecycle;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod rollback;
mod state;
