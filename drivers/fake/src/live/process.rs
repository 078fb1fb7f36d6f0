//! The one place that starts processes: this executable in another role, and commands of the instance.
#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    path::Path,
    process::Command,
};

/// This executable in the role `role`, with an empty environment.
pub(super) fn own(role: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command.arg0("kdn-runtime-fake").arg(role).env_clear();
    command
}

/// This executable in the role `role`, as this very process was started.
pub(super) fn again(role: &str, args: &[OsString]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("kdn-runtime-fake").arg(role).args(args);
    command
}

/// A command in the folder `cwd`, with no other environment than this.
pub(super) fn command(program: impl AsRef<OsStr>, cwd: &Path, env: BTreeMap<String, String>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(cwd).env_clear().envs(env);
    command
}
