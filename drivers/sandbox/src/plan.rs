//! What the driver decided and the supervisor carries out: one sandbox, fully resolved.

use kdn_protocol::{Forward, Limits};
use serde::{Deserialize, Serialize};

/// Paths inside a sandbox.
pub const HOME: &str = "/home/agent";
pub const SOURCES: &str = "/workspace/sources";
/// The agent's user and group id inside.
pub const AGENT_ID: u32 = 1000;

/// One sandbox to start. It goes to the supervisor through a pipe and is never written to disk, because its
/// environment may hold secrets.
#[derive(Serialize, Deserialize)]
#[expect(missing_debug_implementations, reason = "it holds secrets")]
pub struct Plan {
    /// Tells this sandbox from others in names on the host.
    pub label: String,
    pub hostname: String,
    pub entries: Vec<Entry>,
    /// Environment of every program inside.
    pub env: Vec<(String, String)>,
    /// Whether the sandbox uses the host's network; else it has a loopback interface only.
    pub share_network: bool,
    pub forwards: Vec<Forward>,
    pub limits: Limits,
}

/// One thing in the sandbox's file tree. Parents come before what lies below them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A host path made visible.
    Bind { source: String, target: String, access: Access },
    /// A symbolic link.
    Link { target: String, to: String },
    /// A small host file copied when it can be read: later changes of it do not matter, nor does its inode.
    Copy { source: String, target: String },
    /// A file with this text.
    File { target: String, text: String },
}

/// How a bound path may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// The system's own files: read-only, owners as they are.
    System,
    /// Device nodes.
    Device,
    /// The user's files, shown as the agent's own, read-only.
    ReadOnly,
    /// The user's files, shown as the agent's own.
    ReadWrite,
}

impl Plan {
    /// The host path that the sources come from; its owner is who the agent's files belong to.
    pub fn sources(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Bind { source, target, .. } if target == SOURCES => Some(source.as_str()),
            _ => None,
        })
    }
}
