//! Errors on the wire.

use serde::{Deserialize, Serialize};

/// The error of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
#[non_exhaustive]
pub struct Error {
    /// The number that belongs to `data.kind`: the first column of the table of errors in the specification.
    pub code: i32,
    /// A lower-case fragment without a full stop that reads after "failed to ...: ", with the value in question.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub message: String,
    /// What programs read. Absent: the kind is `internal`.
    #[serde(default)]
    pub data: Box<ErrorData>,
}

/// The part of an error that programs read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ErrorData {
    /// What went wrong. Absent: `internal`.
    #[cfg_attr(feature = "schema", schemars(schema_with = "kind_or_vendor_kind"))]
    pub kind: ErrorKind,
    /// What the user can do, each a full instruction. Absent: none.
    pub hints: Vec<String>,
    /// The field of the params that is wrong, such as `mounts[2].target`. Absent: none in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_path: Option<String>,
    /// The backend command that failed. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandFailure>,
    /// With `version_mismatch`: the versions that the driver speaks. Absent: not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported: Option<Vec<u32>>,
}

#[cfg(feature = "schema")]
fn kind_or_vendor_kind(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let kind = generator.subschema_for::<ErrorKind>();
    let vendor = "A kind of a vendor, with a code from 2000 to 2999; a host takes it for `internal`.";
    schemars::json_schema!({
        "anyOf": [kind, {"type": "string", "pattern": "^x-[a-z0-9-]+/", "description": vendor}]
    })
}

/// A command of the backend that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CommandFailure {
    /// The command and its arguments, without secrets. Absent: not told.
    pub argv: Vec<String>,
    /// Its exit code. Absent: a signal ended it, or it did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The last of what it printed on stderr, at most 8192 bytes. Absent: empty.
    pub stderr_tail: String,
}

/// How much a driver tells of a command's stderr, in bytes.
const STDERR_TAIL: usize = 8192;

impl CommandFailure {
    /// A command that ended with `exit_code` and printed `stderr`, of which the last part is kept.
    pub fn new(argv: Vec<String>, exit_code: Option<i32>, stderr: impl Into<String>) -> Self {
        let mut stderr_tail = stderr.into();
        stderr_tail.drain(..stderr_tail.ceil_char_boundary(stderr_tail.len().saturating_sub(STDERR_TAIL)));
        Self { argv, exit_code, stderr_tail }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $word:literal,)*) => {
        /// What went wrong: what programs read of an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
            /// A fault of the driver itself. Also what a host reads from an error without a kind, or with one that
            /// it doesn't know.
            #[default]
            #[serde(rename = "internal", other)]
            Internal,
        }

        impl ErrorKind {
            /// Every kind, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant,)* Self::Internal];

            /// The number on the wire.
            pub const fn code(self) -> i32 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Internal => -32603,
                }
            }

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Internal => "internal",
                }
            }
        }
    };
}

kinds! {
    /// No instance has this id.
    InstanceNotFound = 1001 "instance_not_found",
    /// A field of the workspace is wrong; `fieldPath` names it.
    InvalidWorkspace = 1002 "invalid_workspace",
    /// The backend is missing or down, or a port is taken; the hints say what to do.
    Unavailable = 1003 "unavailable",
    /// Another instance has this name.
    AlreadyExists = 1004 "already_exists",
    /// The instance's state forbids it, such as `remove` while it runs.
    InvalidState = 1005 "invalid_state",
    /// The driver can't enforce what was asked; nothing was done.
    Unsupported = 1006 "unsupported",
    /// Another change of the instance is under way; try again.
    Busy = 1007 "busy",
    /// The answer would be larger than the largest frame.
    FrameTooLarge = 1008 "frame_too_large",
    /// A command of the backend failed; `command` tells.
    BackendFailed = 1009 "backend_failed",
    /// No protocol version in common; `supported` lists those of the driver.
    VersionMismatch = 1010 "version_mismatch",
    /// Before `initialize`, after `shutdown`, or a second `initialize`.
    NotInitialized = 1011 "not_initialized",
    /// The request was cancelled and rolled back.
    Cancelled = 1012 "cancelled",
    /// A line that is no JSON.
    ParseError = -32700 "parse_error",
    /// JSON that is no request.
    InvalidRequest = -32600 "invalid_request",
    /// A method that the driver does not have.
    MethodNotFound = -32601 "method_not_found",
    /// Params that do not fit the method.
    InvalidParams = -32602 "invalid_params",
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            code: kind.code(),
            message: message.into(),
            data: Box::new(ErrorData { kind, ..ErrorData::default() }),
        }
    }

    /// No instance has the id `id`.
    pub fn instance_not_found(id: &str) -> Self {
        Self::new(ErrorKind::InstanceNotFound, format!("instance not found: {id:?}"))
    }

    /// The field `field_path` of the workspace is wrong.
    pub fn invalid_workspace(field_path: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::InvalidWorkspace, message);
        error.data.field_path = Some(field_path.into());
        error
    }

    /// The driver can't enforce what was asked.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A fault of the driver itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The request was cancelled and rolled back.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// The driver does not have this method.
    pub fn method_not_found(method: &str) -> Self {
        Self::new(ErrorKind::MethodNotFound, format!("method not found: {method:?}"))
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.data.hints.push(hint.into());
        self
    }

    /// Adds the field of the params that is wrong.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>) -> Self {
        self.data.field_path = Some(path.into());
        self
    }

    /// Adds the backend command that failed.
    #[must_use]
    pub fn command(mut self, command: CommandFailure) -> Self {
        self.data.command = Some(command);
        self
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.data.kind
    }
}

/// An I/O error of the driver's own work is a fault of the driver.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error.to_string())
    }
}
