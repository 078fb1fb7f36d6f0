//! What is kept of instances. Files of earlier kdn versions have only `id`, `name`, `state`, `info` and `source`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use kdn_protocol::{Error, ErrorKind, Forward, Instance, State, Workspace};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::options::Options;

/// The content of `instances.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Book {
    /// The number of the next id, unless something has it already.
    pub(crate) next_id: u64,
    #[serde(deserialize_with = "one_by_one")]
    pub(crate) instances: BTreeMap<String, Record>,
}

/// A record that can't be read must not hide the others.
fn one_by_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Record>, D::Error> {
    let raw = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
    let records = raw.into_iter().filter(|(id, _)| Instance::is_valid_id(id));
    Ok(records.map(|(id, raw)| (id.clone(), Record::read(id, &raw))).collect())
}

/// The number in an id of this driver.
pub(crate) fn number(id: &str) -> Option<u64> {
    id.strip_prefix("fake-")?.parse().ok()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: State,
    /// Why the state is `error`, or `stopped` without a `stop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) info: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) source: PathBuf,
    #[serde(default)]
    pub(crate) forwards: Vec<Forward>,
    /// As it came with `create`, without its files, which are in the home. Absent in a record of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workspace: Option<Workspace>,
}

impl Default for Book {
    fn default() -> Self {
        Self { next_id: 1, instances: BTreeMap::new() }
    }
}

impl Book {
    pub(crate) fn take(&mut self, id: &str) -> Result<Record, Error> {
        self.instances.remove(id).ok_or_else(|| Error::instance_not_found(id))
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Result<&mut Record, Error> {
        self.instances.get_mut(id).ok_or_else(|| Error::instance_not_found(id))
    }

    /// The instance of the same workspace, or an error if another one has its name.
    pub(crate) fn same(&self, workspace: &Workspace) -> Result<Option<&Record>, Error> {
        let id = &workspace.workspace_id;
        let of_workspace =
            |record: &&Record| record.workspace.as_ref().is_some_and(|w| w.workspace_id == *id);
        if let Some(record) = self.instances.values().find(of_workspace) {
            return Ok(Some(record));
        }
        let name = &workspace.name;
        if self.instances.values().any(|record| record.name == *name) {
            let message = format!("instance with name {name} already exists");
            return Err(Error::new(ErrorKind::AlreadyExists, message).field("name"));
        }
        Ok(None)
    }
}

impl Record {
    /// A new instance. The files of `workspace` are not kept.
    pub(crate) fn new(id: &str, mut workspace: Workspace, forwards: Vec<Forward>) -> Self {
        workspace.files = Vec::new();
        let mut record = Self {
            id: id.into(),
            name: workspace.name.clone(),
            state: State::Stopped,
            reason: None,
            info: BTreeMap::new(),
            source: workspace.source_path.clone(),
            forwards,
            workspace: None,
        };
        record.info.insert("source".into(), record.source.display().to_string());
        record.info.insert("agent".into(), workspace.agent.name.clone());
        record.workspace = Some(workspace);
        record
    }

    /// An instance of which nothing but its id is known. It can be removed.
    pub(crate) fn broken(id: &str, reason: String) -> Self {
        Self {
            id: id.into(),
            name: id.into(),
            state: State::Error,
            reason: Some(reason),
            info: BTreeMap::new(),
            source: PathBuf::new(),
            forwards: Vec::new(),
            workspace: None,
        }
    }

    fn read(id: String, raw: &RawValue) -> Self {
        let mut record = serde_json::from_str::<Self>(raw.get())
            .unwrap_or_else(|error| Self::broken(&id, format!("its record can't be read: {error}")));
        if let State::Invalid(word) = &record.state {
            record.reason = Some(format!("its recorded state is {word:?}"));
            record.state = State::Error;
        }
        record.id = id;
        record
    }

    /// The workspace id of a record of an earlier version is not known: it is empty, and no `workspaceIds` matches.
    pub(crate) fn into_instance(self) -> Instance {
        let workspace_id = self.workspace.map(|w| w.workspace_id).unwrap_or_default();
        let mut instance = Instance::new(self.id, workspace_id, self.name, self.state);
        instance.reason = self.reason;
        instance.info = self.info;
        instance.forwards = self.forwards;
        instance
    }

    pub(crate) fn check_running(&self) -> Result<(), Error> {
        if self.state == State::Running {
            return Ok(());
        }
        let message = format!("instance {} is not running", self.id);
        Err(Error::new(ErrorKind::InvalidState, message)
            .hint(format!("start it first: `kdn start {}`", self.name)))
    }

    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        if self.state != State::Error {
            return Ok(());
        }
        let message = format!(
            "instance {} is broken: {}",
            self.id,
            self.reason.as_deref().unwrap_or("no reason is recorded")
        );
        Err(Error::new(ErrorKind::InvalidState, message).hint("remove it, and create it again"))
    }

    pub(crate) fn step_delay(&self) -> Duration {
        let options = self.workspace.as_ref().and_then(|w| Options::parse(&w.options).ok());
        options.unwrap_or_default().step_delay
    }
}
