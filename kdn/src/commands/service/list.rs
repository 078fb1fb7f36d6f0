//! `kdn service list`

use serde::Serialize;

use crate::{
    commands::args::OutputArg,
    output::{CommandError, json, stream, table::Table},
    secrets::SERVICES,
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

#[derive(Serialize)]
struct Items {
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: &'static str,
    description: &'static str,
    host_pattern: String,
    header_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_template: Option<&'static str>,
    env_vars: &'static [&'static str],
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let text = if args.output.is_json() {
        let items = SERVICES.map(|service| Item {
            name: service.name,
            description: service.description,
            host_pattern: service.hosts.join(","),
            header_name: service.header,
            header_template: service.template,
            env_vars: service.variables,
        });
        json::pretty(&Items { items: items.into() })
    } else {
        let header =
            ["NAME", "HOST PATTERNS", "PATH", "HEADER", "HEADER TEMPLATE", "ENV VARS", "DESCRIPTION"];
        let mut table = Table::new(header);
        for service in SERVICES {
            let (hosts, variables) = (service.hosts.join(", "), service.variables.join(", "));
            let template = service.template.unwrap_or_default();
            table.row([service.name, &hosts, "", service.header, template, &variables, service.description]);
        }
        table.render()
    };
    stream::stdout(&text)?;
    Ok(0)
}
