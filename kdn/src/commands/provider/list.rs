//! `kdn provider list`

use serde::Serialize;

use crate::{
    commands::{Context, args::OutputArg, listing},
    output::CommandError,
    secrets::Provider,
};

/// List the providers of models
///
/// Of what is secret, the name of the secret is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn provider list
  kdn provider list --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

/// A provider as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Provider"))]
pub(crate) struct Item<'a> {
    /// Its name.
    name: &'a str,
    /// What it takes to use it.
    params: Vec<Param<'a>>,
    /// Its type, such as `anthropic` or `vertexai`.
    r#type: &'a str,
}

/// Something that it takes to use a provider.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Param<'a> {
    /// Its name.
    name: &'a str,
    /// Its value; where that is secret, the name of the secret that holds it.
    value: &'a str,
}

impl<'a> From<&'a Provider> for Item<'a> {
    fn from(provider: &'a Provider) -> Self {
        let params = provider.params.iter().map(|param| Param { name: &param.name, value: &param.value });
        Self { name: &provider.name, params: params.collect(), r#type: &provider.r#type }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<u8, CommandError> {
    let providers = context.secrets().providers();
    let providers =
        providers.map_err(|error| CommandError::from(error).context("failed to list providers"))?;
    let items = providers.iter().map(Item::from).collect();
    listing::print(items, args.output, "No providers found", ["NAME", "TYPE", "PARAMS"], |item| {
        let params = item.params.iter().map(|param| format!("{}={}", param.name, param.value));
        [item.name.to_owned(), item.r#type.to_owned(), params.collect::<Vec<_>>().join(", ")]
    })
}
