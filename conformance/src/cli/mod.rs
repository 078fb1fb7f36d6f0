//! The command line of the suite.

mod explain;
mod list;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// How the suite ends when it is used wrongly or can't go on.
const UNUSABLE: u8 = 2;

/// Say whether a runtime driver of kdn is right
#[derive(Debug, Parser)]
#[command(name = "kdn-conformance", version, arg_required_else_help = true)]
#[command(after_help = "Exit status:
  0  all checks passed, or failed as expected
  1  a check failed
  2  the suite can't be run that way, or can't go on
  3  an expected failure passes, or its date is over

Examples:
  kdn-conformance run ./kdn-runtime-podman
  kdn-conformance run --profile core,lifecycle --quick ./kdn-runtime-podman
  kdn-conformance explain core/crlf")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    List(list::Args),
    Explain(explain::Args),
    /// Try the network from inside a workspace
    #[command(hide = true, disable_help_flag = true)]
    Probe {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// What the user reads when a command can't be carried out.
#[derive(Debug)]
struct Unusable {
    message: String,
    hint: String,
}

impl Unusable {
    fn new(message: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self { message: message.to_string(), hint: hint.into() }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::List(args) => list::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Probe { args } => return crate::probe::main(&args),
    };
    ExitCode::from(done.unwrap_or_else(|error| {
        anstream::eprintln!("Error: {}", error.message);
        if !error.hint.is_empty() {
            anstream::eprintln!("{}", error.hint);
        }
        UNUSABLE
    }))
}

/// The command line as clap knows it, for tests and documentation.
pub fn command() -> clap::Command {
    Args::command()
}
