//! A command inside an instance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Params of `terminal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TerminalParams {
    /// The instance's id.
    pub id: String,
    /// The command and its arguments, never empty; the agent's own when the user gave none.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub command: Vec<String>,
    /// Whether the user sits at a terminal. Absent: false; pipes must work then.
    #[serde(default)]
    pub tty: bool,
}

impl TerminalParams {
    /// The command `command` in the instance `id`.
    pub fn new(id: impl Into<String>, command: Vec<String>, tty: bool) -> Self {
        Self { id: id.into(), command, tty }
    }
}

/// Result of `terminal`: the process that the host runs with the user's own stdin, stdout and stderr, after the
/// driver has exited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Plan {
    /// The absolute path of an executable. Absent: the driver's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its arguments. Absent: none.
    pub args: Vec<String>,
    /// Changes to the user's environment; `null` removes a variable. Absent: none.
    pub env: BTreeMap<String, Option<String>>,
    /// The folder to run in. Absent: the host's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

impl Plan {
    /// The driver's own executable with these arguments.
    pub fn own(args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The executable at the absolute path `program` with these arguments.
    pub fn program(program: impl Into<String>, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { program: Some(program.into()), ..Self::own(args) }
    }
}
