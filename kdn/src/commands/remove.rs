//! `kdn remove`

use super::{Context, args::ChangeArgs, change};
use crate::output::CommandError;

/// Remove a workspace
///
/// The instance of its runtime is removed with its home. Your project directory stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn remove my-project
  kdn remove my-project --force")]
pub(crate) struct Args {
    /// Stop it first if it runs; forget it if its runtime can't remove it
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let force = args.force;
    change::run(args.change, context, async |manager, wanted, observer| {
        if force && let Some(id) = manager.forget_pending(wanted).await? {
            return Ok(id);
        }
        manager.recover_all().await;
        Ok(manager.remove(wanted, force, observer).await?.id)
    })
    .await
}
