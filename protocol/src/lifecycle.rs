//! The params of the methods that act on instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use crate::{Instance, Network, Secret};

/// Params of `start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StartParams {
    /// The instance's id.
    pub id: String,
    /// The network policy from now on; it replaces the one of `create`.
    pub network: Network,
    /// The values of the workspace's secrets, by name. They are never written to disk. Absent: none.
    #[serde(default, deserialize_with = "unquoted")]
    pub secret_values: BTreeMap<String, Secret<String>>,
}

/// Reads values of secrets; no error quotes what is not of the right type.
fn unquoted<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Secret<String>>, D::Error> {
    let Value::Object(members) = Value::deserialize(deserializer)? else {
        return Err(D::Error::custom("secretValues is not an object"));
    };
    let text = |(name, value)| match value {
        Value::String(value) => Ok((name, Secret::new(value))),
        _ => Err(D::Error::custom(format!("secretValues.{name} is not a string"))),
    };
    members.into_iter().map(text).collect()
}

impl StartParams {
    /// Starts `id` under `network`, with no secrets.
    pub fn new(id: impl Into<String>, network: Network) -> Self {
        Self { id: id.into(), network, secret_values: BTreeMap::new() }
    }
}

/// Params of `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StopParams {
    /// The instance's id.
    pub id: String,
    /// How long processes may take to end by themselves, in seconds. Absent: 10.
    #[serde(default = "default_grace")]
    pub grace_seconds: u32,
}

const fn default_grace() -> u32 {
    10
}

impl StopParams {
    /// Stops `id` with the default grace.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), grace_seconds: default_grace() }
    }
}

/// Params of `remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RemoveParams {
    /// The instance's id.
    pub id: String,
}

impl RemoveParams {
    /// Removes `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into() }
    }
}

/// Params of `info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InfoParams {
    /// The instance's id.
    pub id: String,
}

impl InfoParams {
    /// Asks for `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into() }
    }
}

/// Params of `list`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ListParams {
    /// Only the instances of these workspaces. Absent: all of this storage folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_ids: Option<Vec<String>>,
    /// `nextCursor` of the page before. Absent: the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl ListParams {
    /// Asks for the instances of these workspaces only.
    pub fn workspaces(ids: Vec<String>) -> Self {
        Self { workspace_ids: Some(ids), cursor: None }
    }
}

/// Result of `list`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListResult {
    /// The instances of this page. Absent: none.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// Where the next page begins. Absent: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl ListResult {
    /// All instances, on one page.
    pub const fn new(instances: Vec<Instance>) -> Self {
        Self { instances, next_cursor: None }
    }
}
