//! The options that a driver adds to `kdn init`.

use serde::{Deserialize, Serialize};

/// Result of `flags`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FlagsResult {
    /// The flags. Absent: none.
    #[serde(default)]
    pub flags: Vec<Flag>,
}

impl FlagsResult {
    /// The given flags.
    pub const fn new(flags: Vec<Flag>) -> Self {
        Self { flags }
    }
}

/// A flag of `kdn init` that takes a text and arrives as a member of `options` of `create`. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Flag {
    /// The name without dashes; by convention it starts with the driver's type.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,62}$")))]
    pub name: String,
    /// One line of help.
    pub usage: String,
    /// Values to offer on completion. Absent: none.
    #[serde(default)]
    pub completions: Vec<String>,
    /// The value that the driver takes when the flag is not given; for display. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether `create` fails without it. Absent: false.
    #[serde(default)]
    pub required: bool,
}

impl Flag {
    /// An optional flag without completions.
    pub fn new(name: &str, usage: &str) -> Self {
        Self {
            name: name.into(),
            usage: usage.into(),
            completions: Vec::new(),
            default: None,
            required: false,
        }
    }
}
