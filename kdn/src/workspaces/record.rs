//! One workspace, as an entry of `instances.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use kdn_protocol::{Forward, Instance, State};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::config::{
    file::or_default,
    shape::Shape::{self, Object, Text},
};

/// One workspace. What is absent or `null` is empty, as the oldest kdn reads it.
///
/// Keys that are not known here were written by another version of kdn; they stay when the file is rewritten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 64 hexadecimal digits, chosen by kdn.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// Unique among the workspaces.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Folders on the host.
    #[serde(default, deserialize_with = "or_default")]
    pub paths: Paths,
    /// The instance, as its runtime last reported it.
    #[serde(default, deserialize_with = "or_default")]
    pub runtime: Runtime,
    /// The project identifier.
    #[serde(default, deserialize_with = "or_default")]
    pub project: String,
    /// The name of the agent.
    #[serde(default, deserialize_with = "or_default")]
    pub agent: String,
    /// The model id, as the user gave it.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The secrets whose values each start sends.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// When it was made. [`Record::ZERO_TIME`] only until the store has replaced it, in an entry that is older than
    /// this key.
    #[serde(default = "zero_time", deserialize_with = "or_zero")]
    pub created_at: Timestamp,
    /// Since when it runs; absent unless it does.
    #[serde(default, deserialize_with = "non_zero", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Folders on the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paths {
    /// The user's own folder, on which the agent works.
    #[serde(deserialize_with = "or_default")]
    pub source: PathBuf,
    /// The folder of the workspace's configuration.
    #[serde(deserialize_with = "or_default")]
    pub configuration: PathBuf,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// An instance, as its runtime last reported it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// Which driver it belongs to.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// The driver's own id of it.
    #[serde(deserialize_with = "or_default")]
    pub instance_id: String,
    /// What it was doing.
    #[serde(deserialize_with = "or_unknown")]
    pub state: State,
    /// What else the driver said; kdn keeps it and gives it back.
    pub info: Option<BTreeMap<String, String>>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            kind: String::new(),
            instance_id: String::new(),
            state: State::Unknown,
            info: None,
            unknown: Map::new(),
        }
    }
}

/// What an entry has to look like.
pub(super) const SHAPE: Shape = Object(&[
    ("id", Text),
    ("name", Text),
    ("paths", Object(&[("source", Text), ("configuration", Text)])),
    (
        "runtime",
        Object(&[("type", Text), ("instance_id", Text), ("state", Text), ("info", Shape::Map(&Text))]),
    ),
    ("project", Text),
    ("agent", Text),
    ("model", Text),
    ("secrets", Shape::List(&Text)),
    ("created_at", Text),
    ("started_at", Text),
]);

impl Record {
    /// The time that stands for "no time" in the file: that of the year 1.
    pub const ZERO_TIME: Timestamp = Timestamp::constant(-62_135_596_800, 0);

    /// The ports of the workspace; none when what is stored makes no sense.
    pub fn forwards(&self) -> Vec<Forward> {
        let stored = self.runtime.info.as_ref().and_then(|info| info.get("forwards"));
        stored.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// Takes over what a driver says of the instance.
    pub fn update(&mut self, instance: Instance) {
        let mut info = self.runtime.info.take().unwrap_or_default();
        info.extend(instance.info);
        if !instance.forwards.is_empty() || info.contains_key("forwards") {
            let forwards = serde_json::to_string(&instance.forwards).expect("forwards are plain");
            info.insert("forwards".to_owned(), forwards);
        }
        self.runtime.info = Some(info);
        self.runtime.instance_id = instance.id;
        self.runtime.state = instance.state;
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

fn zero_time() -> Timestamp {
    Record::ZERO_TIME
}

fn or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(Record::ZERO_TIME))
}

fn or_unknown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(State::Unknown))
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
            secrets: Vec::new(),
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
        let one = Forward::new(std::net::Ipv4Addr::LOCALHOST.into(), 40_000, 80);
        assert_eq!(with_info(r#"[{"bind":"127.0.0.1","port":40000,"target":80}]"#).forwards(), [one]);
        for rubbish in ["", "null", "{}", "[1]", r#"[{"bind":"x","port":70000,"target":1}]"#] {
            assert_eq!(with_info(rubbish).forwards(), [], "{rubbish}");
        }
        assert_eq!(Record::sample("aa", "app").forwards(), []);
    }

    #[test]
    fn what_a_driver_says_is_laid_over_what_it_said() {
        let mut record = with_info("[]");
        record.runtime.info.as_mut().unwrap().insert("a".to_owned(), "1".to_owned());
        let mut instance = Instance::new("fake-002", "aa", "app", State::Running);
        instance.info.insert("b".to_owned(), "2".to_owned());
        instance.forwards = vec![Forward::new(std::net::Ipv4Addr::LOCALHOST.into(), 40_000, 80)];
        record.update(instance);
        assert_eq!(record.forwards().len(), 1);
        assert_eq!(record.runtime.state, State::Running);
        let keys: Vec<_> = record.runtime.info.unwrap().into_keys().collect();
        assert_eq!(keys, ["a", "b", "forwards"]);
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
