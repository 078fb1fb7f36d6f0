//! `kdn runtime list`

use serde::Serialize;

use crate::{
    commands::Context,
    commands::args::OutputArg,
    output::{CommandError, json, stream, table::Table},
    runtimes::Rejected,
};

/// List the runtimes
///
/// A runtime is there when its driver is: an executable kdn-runtime-TYPE on PATH.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn runtime list
  kdn runtime list --all")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) output: OutputArg,
    /// Also show hidden runtimes, and driver files that are not used, and why
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Items {
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    description: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    local: bool,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Why the file is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    unused: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let manager = context.manager();
    let (drivers, rejected) = manager.catalog.all();
    let mut items = Vec::new();
    for (driver, described) in manager.catalog.describe_all(&manager.host, drivers).await {
        let path = args.all.then(|| driver.path.display().to_string());
        match described {
            Ok(described) if described.manifest.hidden && !args.all => {}
            Ok(described) => items.push(Item {
                description: described.manifest.description,
                hidden: described.manifest.hidden,
                local: described.manifest.local,
                name: driver.kind,
                path,
                unused: None,
            }),
            Err(error) if args.all => items.push(unused(driver.kind, path, error.to_string())),
            Err(error) => stream::note(&format!("Warning: {}", CommandError::from(error))),
        }
    }
    if args.all {
        for Rejected { kind, path, why } in rejected {
            items.push(unused(kind, Some(path.display().to_string()), why.to_string()));
        }
    }
    let text = match (args.output.is_json(), items.is_empty()) {
        (true, _) => json::pretty(&Items { items }),
        (false, true) => "No runtimes available\n".to_owned(),
        (false, false) => table(&items, args.all),
    };
    stream::stdout(&text)?;
    Ok(0)
}

fn unused(name: String, path: Option<String>, why: String) -> Item {
    Item { description: String::new(), hidden: false, local: true, name, path, unused: Some(why) }
}

fn table(items: &[Item], all: bool) -> String {
    if !all {
        let mut table = Table::new(["NAME", "DESCRIPTION", "LOCAL"]);
        for item in items {
            table.row([&item.name, &item.description, if item.local { "yes" } else { "no" }]);
        }
        return table.render();
    }
    let mut table = Table::new(["NAME", "DESCRIPTION", "LOCAL", "DRIVER", "NOTE"]);
    for item in items {
        let path = item.path.as_deref().unwrap_or_default();
        let note = match &item.unused {
            Some(why) => format!("not used: {why}"),
            None if item.hidden => "hidden, but usable by its name".to_owned(),
            None => String::new(),
        };
        table.row([&item.name, &item.description, if item.local { "yes" } else { "no" }, path, &note]);
    }
    table.render()
}
