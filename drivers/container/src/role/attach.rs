//! Runs a command in a container on this process's own stdin, stdout and stderr, and hangs up on it when it is told to end
//! before the command does: engines would leave the command running.

use std::ffi::OsString;
use std::time::UNIX_EPOCH;

use crate::engine::{Engine, Table};
use crate::error::{Error, Result};
use crate::process::{Attached, code};

/// The argument that chooses this role; the container follows, then what is to be run in it, from the options of the
/// engine's `exec` on.
pub const ATTACH: &str = "attach";

/// Does to the command that has the variable `$1` what a terminal does that is closed. Those whose parents are outside of the
/// container are meant, not what they have started: that is theirs to end, or to leave running.
const HANG_UP: &str = r#"
for file in $(grep -ls "$1" /proc/[0-9]*/environ); do
  folder=${file%/environ}
  grep -q '^PPid:[[:space:]]*0$' "$folder/status" && kill -s HUP -- "-${folder#/proc/}"
done"#;

/// Runs the command to its end; returns the status with which this process is to exit.
pub(super) fn run(table: &'static Table, args: Vec<OsString>) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(attach(&Engine::new(table), args))
}

async fn attach(engine: &Engine, args: Vec<OsString>) -> Result<u8> {
    let args: Result<Vec<String>, OsString> = args.into_iter().map(OsString::into_string).collect();
    let args = args.map_err(|arg| Error::internal(format!("{} is not UTF-8", arg.display())))?;
    let [container, options @ ..] = &args[..] else { return Err(Error::internal("no container is named")) };
    let now = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
    let mark = format!("KDN_TERMINAL={}-{now}", std::process::id());
    let exec = ["exec".to_owned(), format!("--env={mark}")];
    let Attached { status, signal } = engine.attach(exec.into_iter().chain(options.iter().cloned())).await?;
    if signal.is_some() || status.code().is_none() {
        let args = ["exec", container, "/bin/sh", "-c", HANG_UP, "sh", &mark];
        // It may have ended by itself, and the container with it.
        let _ = engine.ask("failed to hang up", args).await;
    }
    Ok(match signal {
        // Podman calls it a success when it is told to end.
        Some(signal) if status.success() => 128 + signal,
        _ => code(status),
    })
}
