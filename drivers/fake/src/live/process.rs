//! The one place that starts processes: this executable in another role, and commands of the instance.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::{collections::BTreeMap, ffi::OsStr, path::Path};

/// This executable in the role `role`, with an empty environment.
pub(super) fn own(role: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command.arg0("kdn-runtime-fake").arg(role).env_clear();
    command
}

/// A command in the folder `cwd`, with no other environment than this.
pub(super) fn command(
    program: impl AsRef<OsStr>,
    cwd: &Path,
    env: BTreeMap<String, String>,
) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.current_dir(cwd).env_clear().envs(env);
    command
}
