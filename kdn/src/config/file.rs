//! What stands in `workspace.json`, and in each entry of `projects.json` and `agents.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::Memory;

/// The configuration of a workspace, as a user writes it. An empty list means the same as none.
///
/// Written out, its keys are sorted and what is empty is left out: `{}` when nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkspaceConfig {
    /// Environment variables.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<EnvVar>,
    /// Dev container features: options by the feature's id.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Map<String, Value>>,
    /// Resource limits.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// MCP servers for the agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub mcp: Mcp,
    /// Further files and folders of the host.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// What the workspace may reach.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub network: Network,
    /// Ports of the workspace to forward.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<i64>,
    /// Names of secrets whose requests the workspace may make.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Folders of skills for the agent, on the host.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
}

/// An environment variable: `secret` or `value`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// The name of the secret that is its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Its value; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Resource limits. What is absent is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Processors; 0.5 is half of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Processes and threads at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
}

/// MCP servers. A name occurs once, in either list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mcp {
    /// Those that the agent starts.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<McpCommand>,
    /// Those that run somewhere.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<McpServer>,
}

/// An MCP server that the agent starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct McpCommand {
    /// Arguments.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The program.
    pub command: String,
    /// Its environment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The server's name.
    pub name: String,
}

/// An MCP server that runs somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct McpServer {
    /// Headers of the requests to it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The server's name.
    pub name: String,
    /// Where it is.
    pub url: String,
}

/// A file or folder of the host inside the workspace. Both paths may start with `$SOURCES` or `$HOME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Its path on the host.
    pub host: String,
    /// Whether it is read-only; it is not when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ro: Option<bool>,
    /// Its path inside.
    pub target: String,
}

/// What a workspace may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// With `deny`: what stays reachable.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// `allow` or `deny`. Absent: `deny` when hosts are listed, else `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// `projects.json` or `agents.json`: a configuration for each project id or agent.
#[derive(Debug, Default)]
pub(super) struct Entries(pub(super) BTreeMap<String, WorkspaceConfig>);

/// The key that tells an editor which schema a file follows. It is no configuration.
pub(super) const SCHEMA_KEY: &str = "$schema";

// By hand, as `flatten` would lose the line and column of an error inside an entry.
impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of configurations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == SCHEMA_KEY {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.insert(key, map.next_value::<Option<_>>()?.unwrap_or_default());
                    }
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// Reads `null` as if the key were absent.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
impl WorkspaceConfig {
    /// A valid configuration with every key set.
    pub(crate) fn full() -> Self {
        serde_json::from_value(serde_json::json!({
            "environment": [{"name": "A", "value": ""}, {"name": "B", "secret": "b"}],
            "features": {"ghcr.io/f/node:1": {"version": "22", "all": true}},
            "limits": {"cpus": 1.5, "memory": "2GiB", "pids": 512},
            "mcp": {
                "commands": [{"name": "c", "command": "npx", "args": ["http://localhost:1/x"], "env": {"K": "v"}}],
                "servers": [{"name": "s", "url": "https://example.com/mcp", "headers": {"H": "v"}}],
            },
            "mounts": [{"host": "$HOME/.gitconfig", "target": "$HOME/.gitconfig", "ro": true}],
            "network": {"mode": "deny", "hosts": ["example.com"]},
            "ports": [8080],
            "secrets": ["github"],
            "skills": ["$HOME/skills/a"],
        }))
        .unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn is_dumped_in_the_order_of_its_keys() {
        insta::assert_snapshot!(json::pretty(&WorkspaceConfig::full()), @r#"
        {
          "environment": [
            {
              "name": "A",
              "value": ""
            },
            {
              "name": "B",
              "secret": "b"
            }
          ],
          "features": {
            "ghcr.io/f/node:1": {
              "all": true,
              "version": "22"
            }
          },
          "limits": {
            "cpus": 1.5,
            "memory": "2GiB",
            "pids": 512
          },
          "mcp": {
            "commands": [
              {
                "args": [
                  "http://localhost:1/x"
                ],
                "command": "npx",
                "env": {
                  "K": "v"
                },
                "name": "c"
              }
            ],
            "servers": [
              {
                "headers": {
                  "H": "v"
                },
                "name": "s",
                "url": "https://example.com/mcp"
              }
            ]
          },
          "mounts": [
            {
              "host": "$HOME/.gitconfig",
              "ro": true,
              "target": "$HOME/.gitconfig"
            }
          ],
          "network": {
            "hosts": [
              "example.com"
            ],
            "mode": "deny"
          },
          "ports": [
            8080
          ],
          "secrets": [
            "github"
          ],
          "skills": [
            "$HOME/skills/a"
          ]
        }
        "#);
        assert_eq!(json::pretty(&WorkspaceConfig::default()), "{}\n");
    }

    #[test]
    fn null_and_empty_are_the_same_as_absent() {
        let rubbish = r#"{"environment": null, "mounts": [], "mcp": {"servers": []}, "network": {}, "limits": null,
            "features": null, "ports": null, "secrets": [], "skills": null}"#;
        assert_eq!(serde_json::from_str::<WorkspaceConfig>(rubbish).unwrap(), WorkspaceConfig::default());
    }

    #[test]
    fn an_error_in_an_entry_has_its_line() {
        let error =
            serde_json::from_str::<Entries>("{\n\"$schema\": 1,\n\"p\": {\"ports\": [\"80\"]}}").unwrap_err();
        assert_eq!((error.line(), error.column()), (3, 20));
    }
}
