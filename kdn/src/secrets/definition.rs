//! What is known of a secret, apart from its value.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A secret, as an entry of `secrets.json`.
///
/// Keys that are not known here were written by another version of kdn; they stay when the file is rewritten.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Definition {
    /// Its name, also in the keychain.
    pub name: String,
    /// The name of a service, or [`OTHER`](super::OTHER).
    pub r#type: String,
    /// What it is for, in the user's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The hosts whose requests get it. This and what follows is empty where `type` is a service, which knows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Only requests whose path begins so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The header that gets it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub header: String,
    /// The header's value; `${value}` stands for the secret.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub header_template: String,
    /// Variables that programs look for it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub envs: Vec<String>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}
