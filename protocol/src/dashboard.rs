//! The dashboard of an instance.

use serde::{Deserialize, Serialize};

/// Params of `dashboard`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DashboardParams {
    /// The instance's id.
    pub id: String,
}

/// Result of `dashboard`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DashboardResult {
    /// Where it is: an `http` or `https` URL.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^https?://")))]
    pub url: String,
}

impl DashboardParams {
    /// The dashboard of the instance of this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into() }
    }
}

impl DashboardResult {
    /// A dashboard at this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }
}
