//! `kdn stop`

use super::{Context, args::ChangeArgs, change};
use crate::output::CommandError;

/// Stop a workspace
///
/// Its processes are ended; its home and its files stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn stop my-project
  kdn stop my-project --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    change::run(args.change, context, async |manager, wanted, observer| {
        manager.recover_all().await;
        Ok(manager.stop(wanted, observer).await?.id)
    })
    .await
}
