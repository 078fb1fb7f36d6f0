//! `kdn provider list`

use serde::Serialize;

use crate::{
    commands::{Context, args::OutputArg},
    output::{CommandError, json, stream, table::Table},
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

#[derive(Serialize)]
struct Items<'a> {
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    name: &'a str,
    params: Vec<Param<'a>>,
    r#type: &'a str,
}

#[derive(Serialize)]
struct Param<'a> {
    name: &'a str,
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
    let items: Vec<Item<'_>> = providers.iter().map(Item::from).collect();
    let text = if args.output.is_json() {
        json::pretty(&Items { items })
    } else if items.is_empty() {
        "No providers found\n".to_owned()
    } else {
        let mut table = Table::new(["NAME", "TYPE", "PARAMS"]);
        for Item { name, params, r#type } in &items {
            let params: Vec<String> =
                params.iter().map(|param| format!("{}={}", param.name, param.value)).collect();
            table.row([name, r#type, &params.join(", ")]);
        }
        table.render()
    };
    stream::stdout(&text)?;
    Ok(0)
}
