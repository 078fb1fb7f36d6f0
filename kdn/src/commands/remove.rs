//! `kdn remove`

use super::{Context, IdResult, Report};
use crate::{
    cli::{LogArgs, NameArg, OutputArg, ProgressArgs},
    output::CommandError,
};

/// Remove a workspace
///
/// The instance of its runtime is removed with its home. Your project directory stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn remove my-project
  kdn remove my-project --force")]
pub(crate) struct Args {
    #[command(flatten)]
    workspace: NameArg,
    /// Stop it first if it runs; forget it if its runtime can't remove it
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    pub(crate) output: OutputArg,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    logs: LogArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let json = args.output.is_json();
    let report = Report::new(context, args.progress, args.logs, json)?;
    let manager = context.reporting_manager(&report);
    let wanted = &args.workspace.name;
    if args.force
        && let Some(id) = manager.forget_pending(wanted).await?
    {
        return IdResult::print(&id, json);
    }
    manager.recover_all().await;
    let removed = manager.remove(wanted, args.force, &mut report.observer()).await;
    IdResult::print(&report.end(removed)?.id, json)
}
