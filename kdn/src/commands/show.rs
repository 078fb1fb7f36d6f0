//! The JSON forms of what commands print, and their common text forms.

use std::path::Path;

use kdn_protocol::Forward;
use serde::Serialize;

use crate::{
    output::{CommandError, json, stream, text},
    workspaces::{Live, Record},
};

/// The result of a command that did something to one workspace.
#[derive(Debug, Serialize)]
pub(crate) struct IdResult<'a> {
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
pub(crate) struct WorkspaceResult<'a> {
    agent: &'a str,
    forwards: Vec<Forward>,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    name: &'a str,
    paths: PathsResult<'a>,
    project: &'a str,
    /// Why the state is what it is; only where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    runtime: &'a str,
    /// Whether the state is the last known one, because the runtime could not be asked; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
    state: &'a str,
    timestamps: Timestamps,
}

#[derive(Debug, Serialize)]
struct PathsResult<'a> {
    configuration: &'a Path,
    source: &'a Path,
}

#[derive(Debug, Serialize)]
struct Timestamps {
    created: i64,
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
            state: record.runtime.state.as_str(),
            timestamps: Timestamps {
                created: record.created_at.as_millisecond(),
                started: record.started_at.map(jiff::Timestamp::as_millisecond),
            },
        }
    }

    /// With what the driver said just now. Without `refreshed`, nobody asked it.
    pub(crate) fn live(live: &'a Live, refreshed: bool) -> Self {
        Self { reason: live.reason.as_deref(), stale: refreshed && !live.fresh, ..Self::new(&live.record) }
    }
}
