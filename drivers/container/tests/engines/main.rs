//! The drivers on real engines: those that `.ci/engines` starts, or whatever the user has.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may panic, looks at the whole machine, and writes files that need not survive a crash"
)]

mod calls;
mod legacy;
mod scenarios;
mod scene;
mod support;
mod troubles;
