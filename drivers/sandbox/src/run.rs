//! Which of its roles this executable plays.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::driver::SandboxDriver;
use crate::error::{Error, ErrorKind, Result};
use crate::{env, exec, probe, supervisor};

/// The whole program.
pub fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|role| role.to_str()) {
        Some(supervisor::ROLE) => supervisor::main(),
        Some(probe::ROLE) => probe::main(),
        Some(exec::ROLE) => {
            let args =
                args.map(|arg| arg.into_string().map_err(|arg| format!("{} is not UTF-8", arg.display())));
            match args
                .collect::<Result<Vec<_>, _>>()
                .map_err(Error::internal)
                .and_then(|args| terminal(&args))
            {
                Ok(code) => ExitCode::from(code),
                Err(error) => complain(&error),
            }
        }
        _ => kdn_protocol::driver::serve::<SandboxDriver>(),
    }
}

/// `exec [--tty] FOLDER -- COMMAND ...`
fn terminal(args: &[String]) -> Result<u8> {
    let usage =
        || Error::new(ErrorKind::InvalidParams, "usage: exec [--tty] FOLDER -- COMMAND [ARGUMENT ...]");
    let (tty, rest) = match args.split_first() {
        Some((first, rest)) if first == "--tty" => (true, rest),
        _ => (false, args),
    };
    match rest {
        [folder, dashes, command @ ..] if dashes == "--" && !command.is_empty() => {
            exec::exec(Path::new(folder), tty, command.to_vec(), env::of_terminal())
        }
        _ => Err(usage()),
    }
}

/// Failures before the program inside has started end with 125, as they do with other container tools.
fn complain(error: &Error) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "kdn-runtime-sandbox: {error}");
    for hint in &error.data.hints {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(125)
}
