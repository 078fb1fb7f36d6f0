//! `kdn info`

use std::collections::BTreeSet;

use kdn_protocol::{Empty, host::ignore_events, method::ListAgents};
use serde::Serialize;
use tokio::task::JoinSet;

use super::Context;
use crate::{
    VERSION,
    commands::args::OutputArg,
    output::{CommandError, json, stream, text},
    runtimes::Driver,
    workspaces::Manager,
};

/// Show the version, the agents and the runtimes of this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn info
  kdn info --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

/// This machine as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Info {
    /// The agents that the runtimes can run, sorted.
    agents: BTreeSet<String>,
    /// The types of the runtimes, sorted. Hidden ones are left out.
    runtimes: BTreeSet<String>,
    /// The version of kdn.
    version: &'static str,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let manager = context.manager();
    let mut drivers = JoinSet::new();
    for driver in manager.catalog.all().0 {
        let manager = manager.clone();
        drivers.spawn(async move { ask(&manager, &driver).await });
    }
    let mut info = Info { agents: BTreeSet::new(), runtimes: BTreeSet::new(), version: VERSION };
    for answer in drivers.join_all().await {
        match answer {
            Ok(Some((runtime, agents))) => {
                info.runtimes.insert(runtime);
                info.agents.extend(agents);
            }
            Ok(None) => {}
            Err(error) => stream::note(&format!("Warning: {error}")),
        }
    }
    let shown = if args.output.is_json() {
        json::pretty(&info)
    } else {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("Version: {VERSION}\nAgents: {}\nRuntimes: {}\n", list(&info.agents), list(&info.runtimes))
    };
    stream::stdout(&text::lines(&shown))?;
    Ok(0)
}

/// A runtime's type and the agents that it can run. `None`: it is not for listings.
async fn ask(manager: &Manager, driver: &Driver) -> Result<Option<(String, Vec<String>)>, CommandError> {
    let session = manager.open(driver).await?;
    let manifest = session.manifest().clone();
    let agents = if manifest.hidden || manifest.capabilities.agents.is_none() {
        Ok(Vec::new())
    } else {
        let listed = session.call::<ListAgents>(&Empty {}, &mut ignore_events).await;
        listed.map(|result| result.agents.into_iter().map(|agent| agent.name).collect())
    };
    session.close().await;
    let agents = agents.map_err(|error| CommandError::from(error).context("failed to list agents"))?;
    Ok((!manifest.hidden).then_some((manifest.r#type, agents)))
}
