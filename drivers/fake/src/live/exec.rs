//! A plan's process: it gets the environment from the keeper and becomes the command.

use std::{
    ffi::OsString,
    io,
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::ExitCode,
};

use kdn_protocol::Error;

use super::{
    keeper::{self, CommandOrder},
    process, tty,
};

/// The first argument that makes this executable a plan's process; the folder of work and the command follow.
pub(super) const ROLE: &str = "exec";
/// The same for the process that is waited for.
pub(super) const COMMAND: &str = "command";

/// What it exits with when the command did not start, as it is with containers.
const FAILED: u8 = 125;
const CAN_NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// A plan's process, which becomes the command, or waits for it where there are settings of a terminal to restore.
pub(super) fn main(args: &[OsString]) -> ExitCode {
    match tty::settings() {
        Some(settings) => tty::run(process::again(COMMAND, args), &settings)
            .unwrap_or_else(|error| complain(FAILED, &format!("can't run itself: {error}"), None)),
        None => become_command(args),
    }
}

/// Becomes the command.
pub(super) fn become_command(args: &[OsString]) -> ExitCode {
    let [work, program, args @ ..] = args else {
        return complain(FAILED, "usage: exec FOLDER COMMAND [ARGUMENT ...]", None);
    };
    let order = match ask(Path::new(work)) {
        Ok(order) => order,
        Err(error) => {
            let message = format!("the instance does not run: {error}");
            return complain(FAILED, &message, Some("start it: `kdn start`"));
        }
    };
    if let Err(error) = rustix::process::chdir(&order.source) {
        let message = format!("can't go to the sources {}: {error}", order.source.display());
        return complain(FAILED, &message, None);
    }
    let mut command = process::command(program, &order.source, order.environment.compose());
    tty::unblock();
    let error = command.args(args).exec();
    let program = program.display();
    match error.kind() {
        io::ErrorKind::NotFound => complain(
            NOT_FOUND,
            &format!("command not found: {program}"),
            Some("install it, or add its folder to PATH"),
        ),
        _ => complain(CAN_NOT_RUN, &format!("can't run {program}: {error}"), None),
    }
}

fn ask(work: &Path) -> Result<CommandOrder, Error> {
    // Relative, since the whole path may be longer than the address of a socket can be.
    rustix::process::chdir(work).map_err(io::Error::from)?;
    let keeper = UnixStream::connect(keeper::SOCKET)?;
    serde_json::from_reader(keeper).map_err(|_| Error::internal("its keeper has just ended"))
}

#[expect(clippy::print_stderr, reason = "it is the user who started it")]
fn complain(code: u8, message: &str, hint: Option<&str>) -> ExitCode {
    eprintln!("kdn-runtime-fake: {message}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}
