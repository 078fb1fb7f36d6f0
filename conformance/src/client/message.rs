//! What a driver says, sorted.

use kdn_protocol::ErrorKind;
use serde_json::Value;

/// The answer to a request.
pub(crate) type Reply = Result<Value, Fault>;

/// An error that a driver answers with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: i64,
    pub(crate) message: String,
    /// `data.kind`; of an error without, what its code stands for.
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl Fault {
    pub(crate) fn read(error: &Value) -> Self {
        let code = error["code"].as_i64().unwrap_or_default();
        let kind = error["data"]["kind"].as_str().map_or_else(|| kind_of(code), str::to_owned);
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        Self { code, message, kind, data: error["data"].clone() }
    }

    pub(crate) fn field_path(&self) -> &str {
        self.data["fieldPath"].as_str().unwrap_or_default()
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error {} ({}): {:?}", self.code, self.kind, self.message)?;
        if !self.field_path().is_empty() {
            write!(f, " at {}", self.field_path())?;
        }
        Ok(())
    }
}

/// The kind that belongs to a code of the protocol's table; `internal` for any other.
pub(crate) fn kind_of(code: i64) -> String {
    let kind =
        i32::try_from(code).ok().and_then(|code| ErrorKind::ALL.iter().find(|kind| kind.code() == code));
    kind.map_or("internal", |kind| kind.as_str()).to_owned()
}

/// A notification about a running request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) method: String,
    pub(crate) params: Value,
}

impl Event {
    /// The event of a step; empty for anything else.
    pub(crate) fn step(&self) -> &str {
        if self.method == "$/step" { self.params["event"].as_str().unwrap_or_default() } else { "" }
    }
}
