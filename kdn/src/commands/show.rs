//! The JSON forms of what commands print, and their common text forms.

use std::path::Path;

use jiff::Timestamp;
use kdn_protocol::{Forward, State};
use serde::Serialize;

use crate::{
    output::{CommandError, json, stream, text},
    workspaces::{Live, Record},
};

/// The result of a command that did something to one workspace.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct IdResult<'a> {
    /// The id of the workspace.
    id: &'a str,
}

impl IdResult<'_> {
    /// Prints the id of a workspace, as JSON or as a line.
    pub(crate) fn print(id: &str, as_json: bool) -> Result<u8, CommandError> {
        let text = if as_json { json::pretty(&IdResult { id }) } else { format!("{}\n", text::line(id)) };
        stream::stdout(&text)?;
        Ok(0)
    }
}

/// A workspace as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Workspace"))]
pub(crate) struct WorkspaceResult<'a> {
    /// The agent that works in it.
    agent: &'a str,
    /// Its ports that can be reached from this machine; empty when there are none.
    forwards: Vec<Forward>,
    /// Its id, which never changes.
    id: &'a str,
    /// The model as it was given: `MODEL`, `PROVIDER::MODEL` or `PROVIDER::MODEL::URL`. Absent when it is the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    /// Its name, which no other workspace has.
    name: &'a str,
    /// Where it comes from.
    paths: PathsResult<'a>,
    /// The project that it belongs to.
    project: &'a str,
    /// Why the state is what it is. Absent when there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The type of its runtime.
    runtime: &'a str,
    /// Whether the state is the last known one, because the runtime could not be asked. Absent when it is that of now, or
    /// nobody was to be asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
    /// Whether it runs.
    #[cfg_attr(test, schemars(with = "kdn_protocol::State"))]
    state: &'a str,
    /// When what happened to it.
    timestamps: Timestamps,
}

/// Where a workspace comes from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Paths"))]
struct PathsResult<'a> {
    /// The folder of its configuration, absolute. It need not exist.
    configuration: &'a Path,
    /// The project directory, absolute.
    source: &'a Path,
}

/// When what happened to a workspace, in milliseconds since 1970 (UTC).
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Timestamps {
    /// When it was made.
    created: i64,
    /// When it was started. Absent when it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<i64>,
}

impl<'a> WorkspaceResult<'a> {
    pub(crate) fn new(record: &'a Record) -> Self {
        Self {
            agent: &record.agent,
            forwards: record.forwards(),
            id: &record.id,
            model: record.model.as_deref(),
            name: &record.name,
            paths: PathsResult { configuration: &record.paths.configuration, source: &record.paths.source },
            project: &record.project,
            reason: None,
            runtime: &record.runtime.kind,
            stale: false,
            state: match &record.runtime.state {
                // The contract has four words, of which only a file from elsewhere can hold another.
                State::Invalid(_) => "unknown",
                state => state.as_str(),
            },
            timestamps: Timestamps {
                created: created(record).as_millisecond(),
                started: record.started_at.map(Timestamp::as_millisecond),
            },
        }
    }

    /// With what the driver said just now. Without `refreshed`, nobody asked it.
    pub(crate) fn live(live: &'a Live, refreshed: bool) -> Self {
        Self { reason: live.reason.as_deref(), stale: refreshed && !live.fresh, ..Self::new(&live.record) }
    }
}

/// Of a workspace of the oldest kdn nobody knows: it is now, as the next command that writes will have it.
fn created(record: &Record) -> Timestamp {
    if record.created_at == Record::ZERO_TIME { Timestamp::now() } else { record.created_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_of_others_says_fits_the_contract() {
        let mut record = Record::sample("aa", "app");
        record.created_at = Record::ZERO_TIME;
        record.runtime.state = State::Invalid("paused".to_owned());
        let shown = WorkspaceResult::new(&record);
        assert!(shown.timestamps.created > 0);
        assert_eq!(shown.state, "unknown");
    }
}
