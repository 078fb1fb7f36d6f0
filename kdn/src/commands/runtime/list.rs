//! `kdn runtime list`

use serde::Serialize;

use crate::{
    commands::{Context, args::OutputArg, listing},
    output::{CommandError, stream},
    runtimes::Rejected,
};

const NONE: &str = "No runtimes available";

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

/// A runtime as scripts see it, or with `--all` a driver file that is not used.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Runtime"))]
pub(crate) struct Item {
    /// What it is. Empty for a driver that is not used.
    description: String,
    /// Whether listings leave it out. Absent when they don't; only with `--all`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    /// Whether its workspaces are on this machine.
    local: bool,
    /// Its type, as `kdn init --runtime` takes it.
    name: String,
    /// The file of its driver. Absent without `--all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Why the driver is not used. Absent when it is; only with `--all`.
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
    if !args.all {
        return listing::print(items, args.output, NONE, ["NAME", "DESCRIPTION", "LOCAL"], Item::cells);
    }
    let header = ["NAME", "DESCRIPTION", "LOCAL", "DRIVER", "NOTE"];
    listing::print(items, args.output, NONE, header, |item| {
        let [name, description, local] = item.cells();
        let note = match &item.unused {
            Some(why) => format!("not used: {why}"),
            None if item.hidden => "hidden, but usable by its name".to_owned(),
            None => String::new(),
        };
        [name, description, local, item.path.clone().unwrap_or_default(), note]
    })
}

impl Item {
    fn cells(&self) -> [String; 3] {
        let local = if self.local { "yes" } else { "no" };
        [self.name.clone(), self.description.clone(), local.to_owned()]
    }
}

fn unused(name: String, path: Option<String>, why: String) -> Item {
    Item { description: String::new(), hidden: false, local: true, name, path, unused: Some(why) }
}
