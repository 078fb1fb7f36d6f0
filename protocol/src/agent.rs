//! The agents that a driver can run.

use serde::{Deserialize, Serialize};

/// Result of `listAgents`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListAgentsResult {
    /// The agents. Absent: none.
    #[serde(default)]
    pub agents: Vec<AgentInfo>,
}

impl ListAgentsResult {
    /// The agents of these names.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { agents: names.into_iter().map(|name| AgentInfo { name: name.into() }).collect() }
    }
}

/// An agent that a driver can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AgentInfo {
    /// Its name: `claude`, `goose`, `shell`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub name: String,
}
