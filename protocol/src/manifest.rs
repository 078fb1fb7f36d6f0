//! What a driver says of itself.

use serde::{Deserialize, Serialize};

use crate::{
    NetworkMode,
    method::{self, Dashboard, GetStatus, ListAgents, Method, Terminal},
};

/// What a driver is and can do.
///
/// As result of `type`: the most that it can do anywhere. As part of the result of `initialize`: what is effective
/// on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[non_exhaustive]
pub struct Manifest {
    /// The suffix of the executable's name: `podman` for `kdn-runtime-podman`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,62}$")))]
    pub r#type: String,
    /// The name for people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub display_name: String,
    /// One sentence for people. Absent: empty.
    #[serde(default)]
    pub description: String,
    /// The driver's own version.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub version: String,
    /// Whether workspaces run on this machine. Absent: true.
    #[serde(default = "yes")]
    pub local: bool,
    /// Whether an instance is kept apart from the host. `false`: its processes are ordinary processes of the user,
    /// and the sources are at `sourcePath` itself. Absent: true.
    #[serde(default = "yes")]
    pub isolated: bool,
    /// Whether to warn users that the driver may change or fail. Absent: false.
    #[serde(default)]
    pub experimental: bool,
    /// Whether listings and completion leave the driver out. Absent: false.
    #[serde(default)]
    pub hidden: bool,
    /// The protocol versions that the driver speaks.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), inner(range(min = 1))))]
    pub protocol_versions: Vec<u32>,
    /// What the driver offers beyond the required methods.
    pub capabilities: Capabilities,
    /// The absolute path of the sources inside a workspace. Absent: not isolated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^/")))]
    pub workspace_sources_path: Option<String>,
    /// The absolute path of the user's home inside a workspace. Absent: not isolated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^/")))]
    pub workspace_home: Option<String>,
    /// The name or address by which a workspace reaches its host. Absent: it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_address: Option<String>,
}

const fn yes() -> bool {
    true
}

impl Manifest {
    /// A local, isolating driver of the current protocol version with no capabilities, with sources at `/workspace/sources`
    /// and the home at `/home/agent`.
    pub fn new(r#type: &str, display_name: &str, version: &str) -> Self {
        Self {
            r#type: r#type.into(),
            display_name: display_name.into(),
            description: String::new(),
            version: version.into(),
            local: true,
            isolated: true,
            experimental: false,
            hidden: false,
            protocol_versions: crate::PROTOCOL_VERSIONS.to_vec(),
            capabilities: Capabilities::default(),
            workspace_sources_path: Some("/workspace/sources".into()),
            workspace_home: Some("/home/agent".into()),
            host_address: None,
        }
    }
}

/// What a driver offers beyond the required methods. An absent member means: not offered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Capabilities {
    /// The method `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Supported>,
    /// The method `listAgents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<Supported>,
    /// The method `terminal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Supported>,
    /// The method `dashboard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<Supported>,
    /// The notification `$/cancelRequest`; the driver reads on while it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Supported>,
    /// Enforcement of network policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicyCapability>,
    /// `ports` of a workspace are forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Supported>,
    /// `features` of a workspace are installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Supported>,
    /// The resource limits that can be enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsCapability>,
    /// Secrets are put into requests on their way out; their values never get inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Supported>,
    /// Environment variables take their values from `secretValues` of `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_environment: Option<Supported>,
    /// `environment[].secret` names a secret in the backend's own store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_secrets: Option<Supported>,
    /// `mounts` of a workspace are bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_mounts: Option<Supported>,
}

impl Capabilities {
    /// Whether a driver with these capabilities has this method.
    pub fn has_method(&self, name: &str) -> bool {
        match name {
            GetStatus::NAME => self.status.is_some(),
            ListAgents::NAME => self.agents.is_some(),
            Terminal::NAME => self.terminal.is_some(),
            Dashboard::NAME => self.dashboard.is_some(),
            _ => method::NAMES.contains(&name),
        }
    }
}

/// A capability that has no parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Supported {}

impl Supported {
    /// What stands in [`Capabilities`] for a capability that is there.
    pub const YES: Option<Self> = Some(Self {});
}

/// The network policies that a driver enforces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NetworkPolicyCapability {
    /// The modes. Absent: none.
    #[serde(default)]
    pub modes: Vec<NetworkMode>,
    /// Whether `deny` may come with hosts that stay reachable. Absent: false.
    #[serde(default)]
    pub hosts: bool,
}

impl NetworkPolicyCapability {
    /// The given modes; `hosts` says whether `deny` may name hosts.
    pub fn new(modes: impl Into<Vec<NetworkMode>>, hosts: bool) -> Self {
        Self { modes: modes.into(), hosts }
    }
}

/// The resource limits that a driver enforces. An absent member means: it can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LimitsCapability {
    /// `limits.memoryBytes` of a workspace. Absent: false.
    pub memory: bool,
    /// `limits.cpus`. Absent: false.
    pub cpus: bool,
    /// `limits.pids`. Absent: false.
    pub pids: bool,
}

impl LimitsCapability {
    /// Which of the limits can be enforced.
    pub const fn new(memory: bool, cpus: bool, pids: bool) -> Self {
        Self { memory, cpus, pids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SPEC: CAP-06
    #[test]
    fn what_a_driver_can_do_beyond_this_version_is_ignored() {
        let declared = r#"{"terminal": {"x-acme/colours": 256}, "x-acme/snapshot": [1], "teleport": true}"#;
        let terminal = Capabilities { terminal: Supported::YES, ..Capabilities::default() };
        assert_eq!(serde_json::from_str::<Capabilities>(declared).unwrap(), terminal);
    }
}
