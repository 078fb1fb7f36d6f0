//! `kdn service list`

use serde::Serialize;

use crate::{
    commands::{args::OutputArg, listing},
    output::CommandError,
    secrets::{SERVICES, Service},
};

/// List the services that secrets can belong to
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn service list
  kdn service list --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

/// A service as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Service"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    /// Its name, which is the type of its secrets.
    name: &'static str,
    /// What it is.
    description: &'static str,
    /// Patterns of its hosts, with commas between several.
    host_pattern: String,
    /// The HTTP header that carries the secret.
    header_name: &'static str,
    /// The value of the header, in which `${value}` stands for that of the secret. Absent when it is the secret alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    header_template: Option<&'static str>,
    /// Environment variables that programs look for the secret in.
    env_vars: &'static [&'static str],
}

impl From<Service> for Item {
    fn from(Service { name, description, hosts, header, template, variables }: Service) -> Self {
        Self {
            name,
            description,
            host_pattern: hosts.join(","),
            header_name: header,
            header_template: template,
            env_vars: variables,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let header = ["NAME", "HOST PATTERNS", "PATH", "HEADER", "HEADER TEMPLATE", "ENV VARS", "DESCRIPTION"];
    let items = SERVICES.map(Item::from).into();
    listing::print(items, args.output, "No services registered", header, |item| {
        let hosts = item.host_pattern.replace(',', ", ");
        let template = item.header_template.unwrap_or_default();
        let variables = item.env_vars.join(", ");
        [item.name, &hosts, "", item.header_name, template, &variables, item.description].map(str::to_owned)
    })
}
