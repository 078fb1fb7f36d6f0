//! `kdn dashboard`

use super::{
    Context,
    args::{NameArg, OutputArg},
    page,
};
use crate::output::CommandError;

/// Open the dashboard of a workspace
///
/// Prints its URL, and opens it in the browser.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn dashboard my-project
  kdn dashboard my-project --url")]
pub(crate) struct Args {
    #[command(flatten)]
    workspace: NameArg,
    /// Print the URL only
    #[arg(long)]
    url: bool,
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let url = context.manager().dashboard(&args.workspace.name).await?;
    page::show(&url, args.url, args.output)
}
