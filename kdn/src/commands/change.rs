//! What all commands do that change one workspace.

use kdn_protocol::host::Observer;

use super::{Context, IdResult, Report, args::ChangeArgs};
use crate::{output::CommandError, workspaces::Manager};

/// Runs a change, which gives the workspace's id, under a report of its progress.
pub(super) async fn run(
    args: ChangeArgs,
    context: &Context,
    change: impl AsyncFnOnce(&Manager, &str, Observer<'_>) -> Result<String, CommandError>,
) -> Result<u8, CommandError> {
    let json = args.output.is_json();
    let report = Report::new(context, args.progress, args.logs, json)?;
    let manager = context.reporting_manager(&report);
    let changed = change(&manager, &args.workspace.name, &mut report.observer()).await;
    IdResult::print(&report.end(changed)?, json)
}
