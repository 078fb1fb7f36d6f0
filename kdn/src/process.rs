//! The one module that starts child processes.

use std::path::Path;
use std::process::{Command, Stdio};

/// Variables by which a caller of kdn, such as a git hook, points git at another repository than the folder's own.
const GIT_OVERRIDES: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"];

/// What `git ARGS` prints when run in `dir`; nothing when git is missing or fails.
#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
pub fn git(dir: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).stdin(Stdio::null());
    for name in GIT_OVERRIDES {
        command.env_remove(name);
    }
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
