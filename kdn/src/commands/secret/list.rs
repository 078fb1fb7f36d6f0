//! `kdn secret list`

use serde::Serialize;

use crate::{
    commands::{Context, args::OutputArg, listing},
    output::CommandError,
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

/// A secret as scripts see it. Of those for a service, only the name, the type and the description are kept.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Secret"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item<'a> {
    /// What it is for. Absent when there is none.
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    /// Environment variables that programs look for it in. Absent when there are none.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    envs: &'a [String],
    /// The HTTP header that carries it. Absent when the service says it.
    #[serde(skip_serializing_if = "str::is_empty")]
    header: &'a str,
    /// The value of the header, in which `${value}` stands for that of the secret. Absent when it is the secret alone.
    #[serde(skip_serializing_if = "str::is_empty")]
    header_template: &'a str,
    /// Patterns of the hosts that may see it. Absent when the service says them.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hosts: &'a [String],
    /// Its name.
    name: &'a str,
    /// The path of the requests that carry it. Absent when all do.
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    /// The name of its service, or `other`.
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
    let items = secrets.iter().map(Item::from).collect();
    listing::print(items, args.output, "No secrets found", ["NAME", "TYPE", "DESCRIPTION"], |item| {
        [item.name, item.r#type, item.description].map(str::to_owned)
    })
}
