//! `kdn start`

use super::{Context, args::ChangeArgs, change};
use crate::output::CommandError;

/// Start a workspace
///
/// A workspace that runs goes on running.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn start my-project
  kdn start my-project --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    change::run(args.change, context, async |manager, wanted, observer| {
        manager.recover_all().await;
        Ok(manager.start(wanted, observer).await?.id)
    })
    .await
}
