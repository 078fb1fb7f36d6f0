//! The fully resolved description of a workspace that `create` takes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

/// Params of `create`. Everything is final: absolute paths, expanded variables, merged configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Workspace {
    /// 64 lowercase hexadecimal digits, chosen by the host; the key of idempotency.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9a-f]{64}$")))]
    pub workspace_id: String,
    /// Unique in the host's storage, and fit for the name of a container.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$")))]
    pub name: String,
    /// The absolute path of the project folder on the host; it appears writable at `workspaceSourcesPath`.
    pub source_path: PathBuf,
    /// The project, usually the URL of its git remote. Absent: empty.
    #[serde(default)]
    pub project_id: String,
    /// The agent that will work in it.
    pub agent: Agent,
    /// The model as the user named it: `model`, `provider::model` or `provider::model::url`. Absent: the agent's
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The environment of every process in it. Absent: none.
    #[serde(default)]
    pub environment: Vec<EnvVar>,
    /// Further folders and files of the host. Absent: none.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Ports that the host forwards into it. Absent: none.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// What it may reach. Absent: everything.
    #[serde(default)]
    pub network: Network,
    /// Secrets that a gateway puts into its requests. Absent: none.
    #[serde(default)]
    pub secrets: Vec<SecretSpec>,
    /// Files to write into its home. Absent: none.
    #[serde(default)]
    pub files: Vec<FileEntry>,
    /// Dev container features, in the order of their installation. Absent: none.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// Resource limits. Absent: none.
    #[serde(default)]
    pub limits: Limits,
    /// The values of the driver's own flags. Absent: none.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Workspace {
    /// A workspace with nothing but what it must have.
    pub fn new(
        workspace_id: impl Into<String>,
        name: impl Into<String>,
        source_path: impl Into<PathBuf>,
        agent: Agent,
    ) -> Self {
        Self {
            workspace_id: workspace_id.into(),
            name: name.into(),
            source_path: source_path.into(),
            project_id: String::new(),
            agent,
            model: None,
            environment: Vec::new(),
            mounts: Vec::new(),
            ports: Vec::new(),
            network: Network::default(),
            secrets: Vec::new(),
            files: Vec::new(),
            features: Vec::new(),
            limits: Limits::default(),
            options: BTreeMap::new(),
        }
    }
}

/// An agent, as the host knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Agent {
    /// Its name: `claude`, `goose`, `shell`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub name: String,
    /// What starts it. Absent: the driver's own configuration says so.
    #[serde(default)]
    pub command: Vec<String>,
    /// Shell lines that install it, run once as the workspace's user while an image is built. Absent: none.
    #[serde(default)]
    pub install: Vec<String>,
}

impl Agent {
    /// An agent that is started by `command`, with nothing to install.
    pub fn new(name: impl Into<String>, command: Vec<String>) -> Self {
        Self { name: name.into(), command, install: Vec::new() }
    }
}

/// An environment variable: either `value` or `secret` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("oneOf" = [{"required": ["value"]}, {"required": ["secret"]}])))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EnvVar {
    /// Its name.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[^=]+$")))]
    pub name: String,
    /// Its value. Absent: `secret` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The secret that holds its value: one of `secretValues` of `start` (`secretEnvironment`) or of the backend's
    /// own store (`runtimeSecrets`). Absent: `value` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl EnvVar {
    /// A variable with a plain value.
    pub fn value(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()), secret: None }
    }

    /// A variable whose value is a secret.
    pub fn secret(name: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { name: name.into(), value: None, secret: Some(secret.into()) }
    }
}

/// A folder or file of the host inside the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Mount {
    /// Its absolute path on the host.
    pub host: PathBuf,
    /// Its absolute path inside, without a part `..`, and not `/`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^/.")))]
    pub target: String,
    /// Whether writes are refused. Absent: false.
    #[serde(default)]
    pub read_only: bool,
}

impl Mount {
    /// `host` appears at `target`.
    pub fn new(host: impl Into<PathBuf>, target: impl Into<String>, read_only: bool) -> Self {
        Self { host: host.into(), target: target.into(), read_only }
    }
}

/// A port of the workspace that the host forwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Port {
    /// The port inside.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub target: u16,
    /// The port of the host. Absent: the driver picks a free one at `create` and keeps it.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// The address of the host that listens. Absent: 127.0.0.1.
    #[serde(default = "loopback")]
    pub bind: IpAddr,
    /// The transport. Absent: `tcp`; a driver refuses what it can't forward.
    #[serde(default = "tcp")]
    pub protocol: String,
}

const fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn tcp() -> String {
    "tcp".into()
}

impl Port {
    /// The TCP port `target`, at a host port of the driver's choice on 127.0.0.1.
    pub fn new(target: u16) -> Self {
        Self { target, host: None, bind: loopback(), protocol: tcp() }
    }
}

/// What a workspace may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Network {
    /// The rule. Absent: `allow`.
    #[serde(default)]
    pub mode: NetworkMode,
    /// With `deny`: the hosts that stay reachable; `*.example.com` means every name below. Absent: none.
    #[serde(default)]
    pub hosts: Vec<String>,
}

impl Network {
    /// Everything can be reached.
    pub const fn allow() -> Self {
        Self { mode: NetworkMode::Allow, hosts: Vec::new() }
    }

    /// Nothing but `hosts` can be reached.
    pub const fn deny(hosts: Vec<String>) -> Self {
        Self { mode: NetworkMode::Deny, hosts }
    }
}

/// The rule for a workspace's network. A driver answers -32602 to any other word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NetworkMode {
    /// Everything can be reached.
    #[default]
    Allow,
    /// Nothing but the listed hosts can be reached.
    Deny,
}

/// A secret that a gateway puts into requests; its value comes with `start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SecretSpec {
    /// Its name, a key of `secretValues`.
    pub name: String,
    /// The hosts whose requests get it. Absent: none.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Only requests whose path begins so. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The request header that gets it.
    pub header: String,
    /// The header's value; `${value}` stands for the secret. Absent: `${value}`.
    #[serde(default = "whole_value")]
    pub header_template: String,
    /// Environment variables that get the word `placeholder`, so that programs take the secret as given. Absent: none.
    #[serde(default)]
    pub env_names: Vec<String>,
}

impl SecretSpec {
    /// A secret that is the whole value of `header`, for no host yet.
    pub fn new(name: impl Into<String>, header: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            hosts: Vec::new(),
            path: None,
            header: header.into(),
            header_template: whole_value(),
            env_names: Vec::new(),
        }
    }
}

fn whole_value() -> String {
    "${value}".into()
}

/// A file in the home of a workspace: either `source` or `contentBase64` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(extend("oneOf" = [{"required": ["source"]}, {"required": ["contentBase64"]}]))
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FileEntry {
    /// Its path, relative to `workspaceHome`, with `/` between its parts, none of them empty, `.` or `..`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[^/]")))]
    pub path: String,
    /// The absolute path of a file of the host to copy. Absent: `contentBase64` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Its content in standard base64 with padding, for small files. Absent: `source` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
    /// Its permission bits as a number, from 0 to 511, which is 0777. Absent: 384, which is 0600.
    #[cfg_attr(feature = "schema", schemars(range(max = 511)))]
    #[serde(default = "private_mode")]
    pub mode: u32,
}

const fn private_mode() -> u32 {
    0o600
}

impl FileEntry {
    /// A private file with this content, given in base64.
    pub fn content(path: impl Into<String>, content_base64: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            source: None,
            content_base64: Some(content_base64.into()),
            mode: private_mode(),
        }
    }
}

/// A dev container feature, downloaded and with its options merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Feature {
    /// Its id, as the user wrote it.
    pub id: String,
    /// The absolute path of its folder on the host; `install.sh` lies in it.
    pub directory: PathBuf,
    /// The environment of its `install.sh`. Absent: none.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Environment variables that it adds to the workspace. Absent: none.
    #[serde(default)]
    pub container_env: BTreeMap<String, String>,
}

impl Feature {
    /// A feature without options and variables.
    pub fn new(id: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        let (options, container_env) = Default::default();
        Self { id: id.into(), directory: directory.into(), options, container_env }
    }
}

/// Resource limits of a workspace. An absent member means: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Limits {
    /// Memory, in bytes.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processors; 0.5 is half of one.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Processes and threads at the same time.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
}

impl Limits {
    /// Whether there is no limit at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
