//! `kdn secret list`

use serde::Serialize;

use crate::{
    commands::{Context, args::OutputArg},
    output::{CommandError, json, stream, table::Table},
    secrets::Definition,
};

/// List the secrets
///
/// Their values are not looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn secret list
  kdn secret list --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

#[derive(Serialize)]
struct Items<'a> {
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    envs: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    header: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    header_template: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hosts: &'a [String],
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    r#type: &'a str,
}

impl<'a> From<&'a Definition> for Item<'a> {
    fn from(from: &'a Definition) -> Self {
        let Definition { name, r#type, description, hosts, path, header, header_template, envs, unknown: _ } =
            from;
        Self { description, envs, header, header_template, hosts, name, path, r#type }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<u8, CommandError> {
    let secrets = context.secrets().list();
    let secrets = secrets.map_err(|error| CommandError::from(error).context("failed to list secrets"))?;
    let text = if args.output.is_json() {
        json::pretty(&Items { items: secrets.iter().map(Item::from).collect() })
    } else if secrets.is_empty() {
        "No secrets found\n".to_owned()
    } else {
        let mut table = Table::new(["NAME", "TYPE", "DESCRIPTION"]);
        for Definition { name, r#type, description, .. } in &secrets {
            table.row([name, r#type, description]);
        }
        table.render()
    };
    stream::stdout(&text)?;
    Ok(0)
}
