//! How making or removing something by its name ends.

use serde::Serialize;

use super::args::OutputArg;
use crate::{
    output::{CommandError, json, stream, text},
    secrets::Error,
};

/// What was made or removed, as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NameResult<'a> {
    /// Its name.
    name: &'a str,
}

/// Prints the name as JSON, or a sentence such as `Secret "x" created successfully`: for that, `verb` is `create`, and
/// `noun` is `secret`.
pub(super) fn end(
    done: Result<(), Error>,
    verb: &str,
    noun: &str,
    name: &str,
    output: OutputArg,
) -> Result<u8, CommandError> {
    done.map_err(|error| failed(&format!("failed to {verb} {noun}"), error))?;
    let text = if output.is_json() {
        json::pretty(&NameResult { name })
    } else {
        let (first, rest) = noun.split_at(1);
        let name = text::line(&format!("{name:?}")).into_owned();
        format!("{}{rest} {name} {verb}d successfully\n", first.to_uppercase())
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
