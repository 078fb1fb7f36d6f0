//! Whether a driver's backend is usable.

use serde::{Deserialize, Serialize};

/// Result of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Status {
    /// Whether workspaces can be made and started now.
    pub state: Readiness,
    /// Why not. Absent: nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the user can do, each a full instruction. Absent: none.
    #[serde(default)]
    pub hints: Vec<String>,
}

impl Status {
    /// The backend is usable.
    pub const fn ready() -> Self {
        Self { state: Readiness::Ready, reason: None, hints: Vec::new() }
    }

    /// The backend is not usable, for this reason, with these remedies.
    pub fn unavailable(reason: impl Into<String>, hints: Vec<String>) -> Self {
        Self { state: Readiness::Unavailable, reason: Some(reason.into()), hints }
    }
}

/// Whether a backend is usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Readiness {
    /// It is.
    Ready,
    /// It will be soon, without anyone's doing.
    Starting,
    /// It is not, and somebody has to do something. Also what a host reads from a word that it doesn't know.
    #[serde(other)]
    Unavailable,
}
