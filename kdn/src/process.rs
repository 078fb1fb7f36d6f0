//! The one module that starts child processes.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use kdn_protocol::{PROTOCOL_ENV, Plan};

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

/// Has a URL opened by whatever opens URLs here, and does not wait for it. Give it nothing but URLs of the web.
#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
pub fn browse(url: &str) -> io::Result<()> {
    let (opener, first): (_, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(opener);
    command.args(first).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A browser that it becomes is not to end by the next Ctrl-C in this terminal.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop)
}

/// Runs a driver's plan with this process's own stdin, stdout and stderr, to its end. The keys that send signals are
/// the plan's business; a polite end from outside is passed on to it.
#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
pub async fn run_plan(program: &Path, plan: &Plan) -> io::Result<ExitStatus> {
    let mut command = tokio::process::Command::new(program);
    command.args(&plan.args).env_remove(PROTOCOL_ENV);
    for (name, value) in &plan.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(cwd) = &plan.cwd {
        command.current_dir(cwd);
    }
    wait(command).await
}

#[cfg(unix)]
async fn wait(mut command: tokio::process::Command) -> io::Result<ExitStatus> {
    use rustix::process::{Pid, Signal, kill_process};
    use tokio::signal::unix::{SignalKind, signal};

    // Listening is ignoring; the keys reach the child by themselves.
    let _keys = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
    let (mut term, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut child = command.spawn()?;
    loop {
        let received = tokio::select! {
            ended = child.wait() => return ended,
            _ = term.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
        };
        if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, received);
        }
    }
}

#[cfg(not(unix))]
async fn wait(mut command: tokio::process::Command) -> io::Result<ExitStatus> {
    command.status().await
}

/// The exit code that stands for how a process ended: its own, or 128 and the number of the signal.
pub fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
