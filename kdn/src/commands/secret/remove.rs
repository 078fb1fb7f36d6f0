//! `kdn secret remove`

use crate::{
    commands::{Context, args::OutputArg, named},
    output::CommandError,
};

/// Remove a secret
///
/// Its value is removed too. Workspaces that use it can't be started any more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn secret remove example-token")]
pub(crate) struct Args {
    /// Name of the secret
    name: String,
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let removed = context.secrets().remove(&args.name).await;
    named::end(removed, "remove", "secret", &args.name, args.output)
}
