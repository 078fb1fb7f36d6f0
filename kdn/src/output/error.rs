//! The error of a command, as the user sees it.

use std::error::Error;
use std::fmt;
use std::fmt::Write as _;
use std::io::ErrorKind;

use serde::Serialize;

use super::{json, text};
use crate::workspaces;

/// Exit code of a command that the user wanted no more of.
pub const INTERRUPTED: u8 = 130;

/// An error that may know what the user can do about it.
pub trait Advice: Error {
    /// What to do, each a sentence without a full stop.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// With which code kdn ends because of it.
    fn exit_code(&self) -> u8 {
        1
    }

    /// Whether it may be gone when the user tries again in a moment.
    fn is_temporary(&self) -> bool {
        false
    }
}

/// Why a command failed, and what the user can do about it.
///
/// Every error with [`Advice`] turns into one with `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    message: String,
    hints: Vec<String>,
    exit_code: u8,
    temporary: bool,
}

impl CommandError {
    /// An error without hints.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), exit_code: 1, temporary: false }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Ends kdn with this code; 1 unless it is said.
    #[must_use]
    pub fn with_exit_code(mut self, exit_code: u8) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// The command line was used wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message).with_exit_code(2)
    }

    /// The user wanted no more of it.
    pub fn interrupted() -> Self {
        Self::new("interrupted").with_exit_code(INTERRUPTED)
    }

    /// Says what was tried: `failed to start: no such runtime`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// With which code kdn ends.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Whether it may be gone when the user tries again in a moment.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// For stderr: `Error: ...`, and a line for each hint.
    pub fn to_text(&self) -> String {
        self.after("Error")
    }

    /// For stderr, where the command goes on: `Warning: ...`, what that means here first, and a line for each hint.
    pub fn to_warning(&self, meaning: &str) -> String {
        self.after(&format!("Warning: {meaning}"))
    }

    fn after(&self, begin: &str) -> String {
        let mut out = format!("{begin}: {}\n", text::lines(&self.message));
        for hint in &self.hints {
            let _ = writeln!(out, "{}", text::lines(hint));
        }
        out
    }

    /// For stdout with `--output json`: the one document.
    pub fn to_json(&self) -> String {
        json::pretty(&Document { error: &self.message, hints: &self.hints })
    }
}

/// An error as scripts see it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Document<'a> {
    /// What went wrong.
    error: &'a str,
    /// What to do about it, each a sentence. Absent when there is nothing to say.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CommandError {}

impl<E: Advice> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self {
            message: chain(&error),
            hints: error.hints(),
            exit_code: error.exit_code(),
            temporary: error.is_temporary(),
        }
    }
}

/// An error and its causes, joined by `: `. A cause that the text before it ends with is not said twice.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

impl Advice for std::io::Error {}

impl Advice for workspaces::Error {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotFound(_) => "Use 'workspace list' to see available workspaces".to_owned(),
            Self::Ambiguous { .. } => "Give the name, or more characters of the id".to_owned(),
            Self::Parse { path, .. } | Self::InvalidRecord { path, .. } => {
                format!("Correct {0}, or move it away to start with an empty list", path.display())
            }
            Self::Read { path, source }
            | Self::Write { path, source }
            | Self::OpenLock { path, source }
            | Self::Lock { path, source }
                if source.kind() == ErrorKind::PermissionDenied =>
            {
                format!(
                    "Check the permissions of {}, or choose another folder with --storage",
                    path.display()
                )
            }
            Self::Write { source, .. } | Self::OpenLock { source, .. }
                if source.kind() == ErrorKind::StorageFull =>
            {
                "Make room on the disk, or choose another folder with --storage".to_owned()
            }
            Self::InUse(_) => "Wait until the other command has ended".to_owned(),
            _ => return Vec::new(),
        };
        vec![hint]
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to go: {0}")]
    struct Repeats(#[source] io::Error);

    impl Advice for Repeats {}

    #[test]
    fn a_hint_is_a_line_of_its_own() {
        let error = CommandError::from(workspaces::Error::NotFound("app\u{1b}[2J".to_owned()));
        insta::assert_snapshot!(error.to_text(), @r"
        Error: workspace not found: app\u{1b}[2J
        Use 'workspace list' to see available workspaces
        ");
        insta::assert_snapshot!(error.to_json(), @r#"
        {
          "error": "workspace not found: app\u001b[2J",
          "hints": [
            "Use 'workspace list' to see available workspaces"
          ]
        }
        "#);
    }

    #[test]
    fn without_hints_the_json_is_the_error_alone() {
        insta::assert_snapshot!(CommandError::new("a < b").context("failed to compare").to_json(), @r#"
        {
          "error": "failed to compare: a \u003c b"
        }
        "#);
    }

    #[test]
    fn causes_are_said_once() {
        let source = io::Error::other("disk full");
        let error = workspaces::Error::Write { path: "/s".into(), source };
        assert_eq!(CommandError::from(error).message(), "failed to write /s: disk full");
        let error = CommandError::from(Repeats(io::Error::other("no road")));
        assert_eq!(error.message(), "failed to go: no road");
    }
}
