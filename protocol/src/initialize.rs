//! The opening of a session.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Empty, Manifest, frame};

/// Params of `initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InitializeParams {
    /// The protocol versions that the host speaks; the driver picks the highest that both speak.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), inner(range(min = 1))))]
    pub protocol_versions: Vec<u32>,
    /// Who calls.
    pub host: HostInfo,
    /// The absolute path of the folder for the driver's state. It may not exist: there are no instances then, and
    /// the driver makes it, mode 0700, at its first write.
    pub storage_dir: PathBuf,
    /// What the host accepts. Absent: the default of each member.
    #[serde(default)]
    pub limits: FrameLimits,
    /// What the host offers; no member is defined in version 1.
    #[serde(default)]
    pub capabilities: Empty,
}

impl InitializeParams {
    /// The opening of a host that speaks the versions of this crate.
    pub fn new(host: HostInfo, storage_dir: PathBuf) -> Self {
        Self {
            protocol_versions: crate::PROTOCOL_VERSIONS.to_vec(),
            host,
            storage_dir,
            limits: FrameLimits::default(),
            capabilities: Empty {},
        }
    }
}

/// The program at the host's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HostInfo {
    /// Its name: `kdn`, `kdn-conformance`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
}

impl HostInfo {
    /// This process under the given name and version.
    pub fn this_process(name: &str, version: &str) -> Self {
        Self { name: name.into(), version: version.into(), pid: std::process::id() }
    }
}

/// The sizes that a host accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FrameLimits {
    /// The largest frame, in bytes, without its newline: from 1048576 (1 MiB) to 16777216 (16 MiB). Absent: 16777216.
    #[cfg_attr(feature = "schema", schemars(range(min = 1_048_576, max = 16_777_216)))]
    pub max_frame_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { max_frame_bytes: frame::MAX_FRAME_BYTES }
    }
}

/// Result of `initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InitializeResult {
    /// The version of this session.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub protocol_version: u32,
    /// The driver's manifest, with the capabilities that are effective on this machine.
    pub manifest: Manifest,
}

impl InitializeResult {
    /// The answer to a host.
    pub const fn new(protocol_version: u32, manifest: Manifest) -> Self {
        Self { protocol_version, manifest }
    }
}
