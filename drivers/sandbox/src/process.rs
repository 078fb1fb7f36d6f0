//! The one place that starts processes on the host: this executable again, in another role.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::process::Command;

/// This executable with `role` as its first argument, an empty environment, and nothing decided about its streams.
pub fn own(role: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(role).env_clear().current_dir("/");
    command
}
