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
    removed.map_err(|error| named::failed("failed to remove provider", error))?;
    named::print("Provider", &args.name, "removed", args.output.is_json())
}
