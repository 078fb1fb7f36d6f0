//! What a driver says of an instance.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

/// One instance of a runtime, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Instance {
    /// The driver's own id of it.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")))]
    pub id: String,
    /// The workspace that it was made for. Empty: the driver can't read it any more.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^([0-9a-f]{64})?$")))]
    pub workspace_id: String,
    /// The workspace's name.
    pub name: String,
    /// Whether it runs.
    pub state: State,
    /// What `state` does not say: `paused`, `out of memory`, `exit code 3`. Absent: nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Facts for people and scripts, such as `container_id`. Absent: none.
    #[serde(default)]
    pub info: BTreeMap<String, String>,
    /// The host ports of the workspace's ports, also while it is stopped. Absent: none.
    #[serde(default)]
    pub forwards: Vec<Forward>,
}

impl Instance {
    /// An instance with nothing more to say.
    pub fn new(
        id: impl Into<String>,
        workspace_id: impl Into<String>,
        name: impl Into<String>,
        state: State,
    ) -> Self {
        Self {
            id: id.into(),
            workspace_id: workspace_id.into(),
            name: name.into(),
            state,
            reason: None,
            info: BTreeMap::new(),
            forwards: Vec::new(),
        }
    }

    /// Whether `id` has the form of an instance's id.
    pub fn is_valid_id(id: &str) -> bool {
        id.len() <= 128
            && id.starts_with(|c: char| c.is_ascii_alphanumeric())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c))
    }
}

/// Whether an instance runs. The four words are frozen for version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum State {
    /// It runs.
    Running,
    /// It does not run, and can be started.
    Stopped,
    /// It is broken.
    Error,
    /// The driver can't tell.
    Unknown,
    /// A word that is none of the four. A host refuses it.
    Invalid(String),
}

impl State {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Invalid(word) => word,
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
            _ => Self::Invalid(word),
        }
    }
}

impl From<State> for String {
    fn from(state: State) -> Self {
        state.as_str().into()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for State {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "State".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Whether an instance runs. The four words are frozen for version 1.",
            "type": "string",
            "enum": ["running", "stopped", "error", "unknown"]
        })
    }
}

/// A port of the host that leads to a port of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Forward {
    /// The address of the host that listens.
    pub bind: IpAddr,
    /// The port of the host.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
    /// The port inside the workspace.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub target: u16,
}

impl Forward {
    /// `bind:port` on the host leads to `target` inside.
    pub const fn new(bind: IpAddr, port: u16, target: u16) -> Self {
        Self { bind, port, target }
    }
}
