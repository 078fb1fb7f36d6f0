//! One workspace, as an entry of `instances.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// One workspace.
///
/// Keys that are not known here were written by another version of kdn; they stay when the file is rewritten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 64 hexadecimal digits, chosen by kdn.
    pub id: String,
    /// Unique among the workspaces.
    pub name: String,
    /// Folders on the host.
    pub paths: Paths,
    /// The instance, as its runtime last reported it.
    pub runtime: Runtime,
    /// The project identifier.
    #[serde(default)]
    pub project: String,
    /// The name of the agent.
    #[serde(default)]
    pub agent: String,
    /// The model id, as the user gave it.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it was made; [`Record::ZERO_TIME`] in an entry that is older than this key.
    #[serde(default = "zero_time")]
    pub created_at: Timestamp,
    /// Since when it runs; absent unless it does.
    #[serde(default, deserialize_with = "non_zero", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Folders on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// The user's own folder, on which the agent works.
    pub source: PathBuf,
    /// The folder of the workspace's configuration.
    pub configuration: PathBuf,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// An instance, as its runtime last reported it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// Which driver it belongs to.
    #[serde(rename = "type")]
    pub kind: String,
    /// The driver's own id of it.
    pub instance_id: String,
    /// What it was doing.
    pub state: State,
    /// What else the driver said; kdn keeps it and gives it back.
    pub info: Option<BTreeMap<String, String>>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum State {
    /// It runs.
    Running,
    /// It exists and does not run.
    Stopped,
    /// It is broken.
    Error,
    /// Nobody can tell.
    Unknown,
    /// A word of another version.
    Other(String),
}

/// A port of the host that leads into a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The address on the host.
    pub bind: String,
    /// The port on the host.
    pub port: u16,
    /// The port in the workspace.
    pub target: u16,
}

impl Record {
    /// The time that stands for "no time" in the file: that of the year 1.
    pub const ZERO_TIME: Timestamp = Timestamp::constant(-62_135_596_800, 0);

    /// The ports of the workspace; none when what is stored makes no sense.
    pub fn forwards(&self) -> Vec<Forward> {
        let stored = self.runtime.info.as_ref().and_then(|info| info.get("forwards"));
        stored.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// What every command relies on.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.id.is_empty() {
            Err("instance ID cannot be empty")
        } else if self.name.is_empty() {
            Err("instance name cannot be empty")
        } else if self.paths.source.as_os_str().is_empty() || self.paths.configuration.as_os_str().is_empty()
        {
            Err("invalid path")
        } else {
            Ok(())
        }
    }
}

impl State {
    /// The word for it, in the file and for people.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for State {
    fn from(word: String) -> Self {
        match word.as_str() {
            "running" => Self::Running,
            "stopped" => Self::Stopped,
            "error" => Self::Error,
            "unknown" => Self::Unknown,
            _ => Self::Other(word),
        }
    }
}

impl From<State> for String {
    fn from(state: State) -> Self {
        state.as_str().to_owned()
    }
}

fn zero_time() -> Timestamp {
    Record::ZERO_TIME
}

fn non_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::deserialize(deserializer)?.filter(|time| *time != Record::ZERO_TIME))
}

fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.filter(|text: &String| !text.is_empty()))
}

#[cfg(test)]
impl Record {
    /// A record for tests.
    pub(crate) fn sample(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            paths: Paths {
                source: "/src/app".into(),
                configuration: "/src/app/.kaiden".into(),
                unknown: Map::new(),
            },
            runtime: Runtime {
                kind: "fake".to_owned(),
                instance_id: "fake-001".to_owned(),
                state: State::Stopped,
                info: None,
                unknown: Map::new(),
            },
            project: "/src/app".to_owned(),
            agent: "claude".to_owned(),
            model: None,
            created_at: "2026-05-24T10:00:00.5Z".parse().unwrap(),
            started_at: None,
            unknown: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_info(json: &str) -> Record {
        let mut record = Record::sample("aa", "app");
        record.runtime.info = Some([("forwards".to_owned(), json.to_owned())].into());
        record
    }

    #[test]
    fn forwards_are_json_in_a_string_and_rubbish_is_none() {
        let one = Forward { bind: "127.0.0.1".to_owned(), port: 40_000, target: 80 };
        assert_eq!(with_info(r#"[{"bind":"127.0.0.1","port":40000,"target":80}]"#).forwards(), [one]);
        for rubbish in ["", "null", "{}", "[1]", r#"[{"bind":"x","port":70000,"target":1}]"#] {
            assert_eq!(with_info(rubbish).forwards(), [], "{rubbish}");
        }
        assert_eq!(Record::sample("aa", "app").forwards(), []);
    }

    #[test]
    fn an_unknown_state_is_kept() {
        let state: State = serde_json::from_str(r#""paused""#).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), r#""paused""#);
        assert_eq!(serde_json::from_str::<State>(r#""running""#).unwrap(), State::Running);
    }

    #[test]
    fn a_zero_start_is_no_start() {
        assert_eq!(Record::ZERO_TIME.to_string(), "0001-01-01T00:00:00Z");
        let mut json = serde_json::to_value(Record::sample("aa", "app")).unwrap();
        json["started_at"] = "0001-01-01T00:00:00Z".into();
        json["model"] = "".into();
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), Record::sample("aa", "app"));
    }
}
