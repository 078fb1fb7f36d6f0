//! `kdn stop`

use super::{Context, IdResult, Report};
use crate::{
    cli::{LogArgs, NameArg, OutputArg, ProgressArgs},
    output::CommandError,
};

/// Stop a workspace
///
/// Its processes are ended; its home and its files stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn stop my-project
  kdn stop my-project --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    workspace: NameArg,
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
    manager.recover_all().await;
    let stopped = manager.stop(&args.workspace.name, &mut report.observer()).await;
    IdResult::print(&report.end(stopped)?.id, json)
}
