//! Output of a driver's backend.

use serde::{Deserialize, Serialize};

/// Params of the notification `$/log`: what a backend command printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Log {
    /// The request that it belongs to. Absent: none in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = 9_007_199_254_740_991_u64)))]
    pub request_id: Option<u64>,
    /// Where the command printed it. Absent: `stdout`.
    #[serde(default)]
    pub stream: Stream,
    /// The text, with its newlines.
    pub text: String,
}

impl Log {
    /// Text of a command that ran for a request.
    pub fn new(request_id: Option<u64>, stream: Stream, text: impl Into<String>) -> Self {
        Self { request_id, stream, text: text.into() }
    }
}

/// An output of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stream {
    /// The standard error.
    Stderr,
    /// The standard output, and what a host reads from a word that it doesn't know.
    #[default]
    #[serde(other)]
    Stdout,
}
