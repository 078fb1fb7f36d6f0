//! How making or removing something by its name ends.

use serde::Serialize;

use crate::{
    output::{CommandError, json, stream, text},
    secrets::Error,
};

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

/// Prints the name as JSON, or a sentence such as `Secret "x" created successfully`.
pub(super) fn print(what: &str, name: &str, done: &str, as_json: bool) -> Result<u8, CommandError> {
    let text = if as_json {
        json::pretty(&Name { name })
    } else {
        format!("{what} {} {done} successfully\n", text::line(&format!("{name:?}")))
    };
    stream::stdout(&text)?;
    Ok(0)
}

/// The error of what was tried; an interruption needs no more words.
pub(super) fn failed(doing: &str, error: Error) -> CommandError {
    match error {
        Error::Interrupted => error.into(),
        error => CommandError::from(error).context(doing),
    }
}
