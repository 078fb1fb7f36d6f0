//! `kdn terminal`

use std::io::{ErrorKind, IsTerminal};

use super::{Context, Report};
use crate::{
    commands::args::{LogArgs, NameArg, ProgressArgs},
    output::CommandError,
    process,
    workspaces::{NOT_EXECUTABLE, NOT_FOUND},
};

/// kdn itself failed.
const FAILED: u8 = 125;

/// Open a terminal in a workspace
///
/// Runs the agent, or COMMAND, inside the workspace, and starts the workspace first if it does not run. The exit code
/// is the one of the command; 128 and the number of the signal that ended it; or 125, 126 and 127 when the command
/// could not be run, as with docker.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn terminal my-project
  kdn terminal my-project bash
  kdn terminal my-project -- git log --oneline")]
pub(crate) struct Args {
    #[command(flatten)]
    workspace: NameArg,
    /// Command to run instead of the agent
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    progress: ProgressArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    enter(args, context).await.map_err(|error| match error.exit_code() {
        1 => error.with_exit_code(FAILED),
        _ => error,
    })
}

async fn enter(args: Args, context: &Context) -> Result<u8, CommandError> {
    let report = Report::new(context, args.progress, LogArgs { show_logs: false }, false)?;
    let manager = context.reporting_manager(&report);
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let entry = manager.enter(&args.workspace.name, args.command, tty, &mut report.observer()).await;
    let entry = report.end(entry)?;
    if context.interrupts.count() > 0 {
        return Err(CommandError::interrupted());
    }
    match process::run_plan(&entry.program, &entry.plan).await {
        Ok(status) => Ok(process::exit_code(status)),
        Err(error) => {
            let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
            let doing = format!("failed to run {}", entry.program.display());
            Err(CommandError::from(error).context(doing).with_exit_code(code))
        }
    }
}
