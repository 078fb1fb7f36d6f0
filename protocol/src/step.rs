//! The progress of a request, and its cancellation.

use serde::{Deserialize, Serialize};

/// Params of the notification `$/step`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("allOf" = [
    {"if": {"properties": {"event": {"const": "start"}}}, "then": {"required": ["inProgress"]}},
    {"if": {"properties": {"event": {"const": "fail"}}}, "then": {"required": ["error"]}},
])))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Step {
    /// The request that it belongs to.
    #[cfg_attr(feature = "schema", schemars(range(max = 9_007_199_254_740_991_u64)))]
    pub request_id: u64,
    /// What happened.
    pub event: StepEvent,
    /// `start`: the text while the step runs, such as `Building image`; required there.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<String>,
    /// `start`: the text once it is done, such as `Image built`. Absent: `inProgress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
    /// `update`: how much is done, in `unit`. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// `update`: how much there is to do, in `unit`. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// `update`: what `current` and `total` count, such as `bytes` or `steps`. Absent: steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// `update`: what is being done right now. Absent: nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `fail`: what went wrong; required there.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Step {
    /// An event without texts.
    pub const fn new(request_id: u64, event: StepEvent) -> Self {
        Self {
            request_id,
            event,
            in_progress: None,
            completed: None,
            current: None,
            total: None,
            unit: None,
            message: None,
            error: None,
        }
    }
}

/// What happened to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepEvent {
    /// A step begins; the one before it, if still open, is complete.
    Start,
    /// The open step is complete.
    Complete,
    /// The open step failed.
    Fail,
    /// The open step goes on. Also what a host reads from a word that it doesn't know.
    #[serde(other)]
    Update,
}

/// Params of the notification `$/cancelRequest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CancelParams {
    /// The id of the request to cancel.
    #[cfg_attr(feature = "schema", schemars(range(max = 9_007_199_254_740_991_u64)))]
    pub id: u64,
}

impl CancelParams {
    /// Cancels the request of this id.
    pub const fn new(id: u64) -> Self {
        Self { id }
    }
}
