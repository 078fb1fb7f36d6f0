//! `kdn list`

use std::path::Path;

use jiff::Timestamp;
use kdn_protocol::State;

use super::{Context, WorkspaceResult, listing::Items};
use crate::{
    commands::args::OutputArg,
    model::ModelId,
    output::{CommandError, json, path, stream, table::Table, text, time},
    workspaces::{Live, id},
};

/// List the workspaces
///
/// The states are those of now: each runtime is asked. Where one does not answer, its last known states are shown,
/// marked with a question mark.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn list
  kdn list --output json
  kdn list --quiet --no-refresh")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) output: OutputArg,
    /// Print only the ids
    #[arg(short, long)]
    quiet: bool,
    /// Do not ask the runtimes: show the last known states
    #[arg(long)]
    no_refresh: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let manager = context.manager();
    let records = manager
        .store
        .read()
        .map_err(|error| CommandError::from(error).context("failed to list instances"))?;
    let refresh = !args.no_refresh && (args.output.is_json() || !args.quiet);
    let (mut live, warnings) = if refresh {
        manager.refresh(records).await
    } else {
        let stored = |record| Live { record, fresh: false, reason: None };
        (records.into_iter().map(stored).collect(), Vec::new())
    };
    if args.output.is_json() {
        let items = live.iter().map(|live| WorkspaceResult::live(live, refresh)).collect();
        stream::stdout(&json::pretty(&Items { items }))?;
        return Ok(0);
    }
    for warning in &warnings {
        stream::stderr(&warning.to_warning("the last known states are shown"));
    }
    sort(&mut live);
    stream::stdout(&match (args.quiet, live.is_empty()) {
        (true, _) => live.iter().flat_map(|live| [text::line(&live.record.id), "\n".into()]).collect(),
        (false, true) => "No workspaces registered\n".to_owned(),
        (false, false) => table(&live, refresh, context),
    })?;
    Ok(0)
}

fn sort(live: &mut [Live]) {
    fn key(Live { record, .. }: &Live) -> (&str, &Path, &str, &str, &str) {
        let state = record.runtime.state.as_str();
        (&record.project, &record.paths.source, state, &record.agent, &record.name)
    }
    live.sort_by(|a, b| key(a).cmp(&key(b)));
}

fn table(live: &[Live], refreshed: bool, context: &Context) -> String {
    let mut table = Table::new(["NAME/SHORT ID", "PROJECT/SOURCES", "AGENT/MODEL", "RUNTIME", "STATE"]);
    let now = Timestamp::now();
    for Live { record, fresh, reason } in live {
        let doubt = if refreshed && !fresh { "?" } else { "" };
        let state = format!("{}{doubt}", record.runtime.state);
        table.row([&record.name, &record.project, &record.agent, &record.runtime.kind, &state]);
        let source = path::tilde(&record.paths.source, context.env.home.as_deref());
        let model = record.model.as_deref().map_or("", |model| ModelId::parse(model).model);
        let more = match record.started_at.filter(|_| record.runtime.state == State::Running) {
            Some(since) => time::duration(since, now),
            // Of a state that is in doubt, a warning says why.
            None => reason.clone().filter(|_| *fresh).unwrap_or_default(),
        };
        table.details([id::short(&record.id), &source, model, "", &more]);
    }
    table.render()
}
