//! `kdn workspace show`

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    commands::{
        Context, WorkspaceResult,
        args::{NameArg, OutputArg},
    },
    output::{CommandError, json, path, stream, text, time},
    workspaces::{Live, Record},
};

/// Show all that is known of a workspace
///
/// Its runtime is asked for the state. Of secrets, only the names are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn workspace show my-project
  kdn workspace show my-project --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    workspace: NameArg,
    #[command(flatten)]
    pub(crate) output: OutputArg,
    /// Do not ask the runtime: show the last known state
    #[arg(long)]
    no_refresh: bool,
}

/// A workspace as `list` has it, and the rest that is known of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Shown<'a> {
    #[serde(flatten)]
    workspace: WorkspaceResult<'a>,
    /// What the driver says beside the state; other drivers say other things.
    info: &'a BTreeMap<String, String>,
    /// The id that the driver gave it.
    instance: &'a str,
    /// The names of its secrets; empty when it has none.
    secrets: &'a [String],
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let manager = context.manager();
    let record = manager.find(&args.workspace.name)?;
    let refresh = !args.no_refresh;
    let (live, warnings) = if refresh {
        let (mut live, warnings) = manager.refresh(vec![record]).await;
        (live.remove(0), warnings)
    } else {
        (Live { record, fresh: false, reason: None }, Vec::new())
    };
    let mut info = live.record.runtime.info.clone().unwrap_or_default();
    info.remove("forwards");
    if args.output.is_json() {
        stream::stdout(&json::pretty(&Shown {
            workspace: WorkspaceResult::live(&live, refresh),
            info: &info,
            instance: &live.record.runtime.instance_id,
            secrets: &live.record.secrets,
        }))?;
        return Ok(0);
    }
    for warning in &warnings {
        stream::stderr(&warning.to_warning("the last known state is shown"));
    }
    stream::stdout(&describe(&live, refresh, &info, context))?;
    Ok(0)
}

fn describe(live: &Live, refreshed: bool, info: &BTreeMap<String, String>, context: &Context) -> String {
    let Live { record, fresh, reason } = live;
    let home = context.env.home.as_deref();
    let mut rows = vec![
        ("Name", record.name.clone()),
        ("ID", record.id.clone()),
        ("State", state(record, reason.as_deref().filter(|_| *fresh), refreshed && !fresh)),
        ("Project", record.project.clone()),
        ("Sources", path::tilde(&record.paths.source, home)),
        ("Configuration", path::tilde(&record.paths.configuration, home)),
        ("Agent", record.agent.clone()),
        ("Model", record.model.clone().unwrap_or_default()),
        ("Runtime", record.runtime.kind.clone()),
        ("Instance", record.runtime.instance_id.clone()),
        ("Created", when(Some(record.created_at))),
        ("Started", when(record.started_at)),
        ("Secrets", record.secrets.join(", ")),
    ];
    for forward in record.forwards() {
        rows.push(("Port", format!("{} at {}:{}", forward.target, forward.bind, forward.port)));
    }
    rows.extend(info.iter().map(|(key, value)| ("Info", format!("{key}: {value}"))));
    let mut out = String::new();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "{:<15}{}", format!("{name}:"), text::line(value));
    }
    out
}

fn state(record: &Record, reason: Option<&str>, in_doubt: bool) -> String {
    let doubt = if in_doubt { "?" } else { "" };
    let since = record.started_at.map(|since| format!(" {}", time::duration(since, Timestamp::now())));
    let reason = reason.map(|reason| format!(" ({reason})"));
    format!("{}{doubt}{}{}", record.runtime.state, since.unwrap_or_default(), reason.unwrap_or_default())
}

fn when(time: Option<Timestamp>) -> String {
    time.map(|time| format!("{time:.0}")).unwrap_or_default()
}
