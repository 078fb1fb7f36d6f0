//! `kdn provider remove`

use crate::{
    commands::{Context, args::OutputArg, named},
    output::CommandError,
};

/// Remove a provider
///
/// Its secrets are removed too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn provider remove example-provider")]
pub(crate) struct Args {
    /// Name of the provider
    name: String,
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let removed = context.secrets().remove_provider(&args.name).await;
    named::end(removed, "remove", "provider", &args.name, args.output)
}
