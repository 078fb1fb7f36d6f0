//! Where the value of a secret comes from: a flag, a variable, standard input, or the user at a terminal.

use std::{
    convert::Infallible,
    io::{self, IsTerminal as _, Read as _},
};

use kdn_protocol::Secret;

use super::Context;
use crate::{
    env::Env,
    output::{CommandError, prompt},
};

/// Far more than any keychain takes.
const LIMIT: u64 = 1 << 20;

/// A value as an argument, out of reach of `Debug`.
pub(super) type Value = Secret<String>;

#[expect(clippy::unnecessary_wraps, reason = "the form of clap's parsers")]
pub(super) fn parse(word: &str) -> Result<Value, Infallible> {
    Ok(Secret::new(word.to_owned()))
}

/// The value: as given, where `-` is standard input; that of a variable; or else standard input, and at a terminal
/// what the user types. An empty one counts as none.
pub(super) async fn read(
    given: Option<Value>,
    variable: Option<&str>,
    prompt: String,
    context: &Context,
) -> Result<Option<Value>, CommandError> {
    let value = match (given, variable) {
        (Some(given), _) if given.expose() == "-" => waiting(context, read_stdin).await?,
        (Some(given), _) => given,
        (None, Some(name)) => Secret::new(Env::named(name).map_err(|error| {
            CommandError::usage(format!("failed to read the environment variable {name:?}: {}", why(&error)))
        })?),
        (None, None) if io::stdin().is_terminal() => {
            let typed = prompt::hidden(prompt, waiting_for(context)).await?;
            Secret::new(typed.ok_or_else(CommandError::interrupted)?)
        }
        (None, None) => waiting(context, read_stdin).await?,
    };
    Ok(Some(value).filter(|value| !value.expose().is_empty()))
}

/// The error of the standard library quotes the value.
fn why(error: &std::env::VarError) -> &'static str {
    match error {
        std::env::VarError::NotPresent => "it is not set",
        std::env::VarError::NotUnicode(_) => "it is not UTF-8 text",
    }
}

async fn waiting_for(context: &Context) {
    context.interrupts.clone().next().await;
}

async fn waiting(
    context: &Context,
    read: fn() -> Result<Value, CommandError>,
) -> Result<Value, CommandError> {
    tokio::select! {
        value = tokio::task::spawn_blocking(read) => value.expect("reading does not panic"),
        () = waiting_for(context) => Err(CommandError::interrupted()),
    }
}

/// All of standard input, less one line end, which most programs print after a value.
fn read_stdin() -> Result<Value, CommandError> {
    let mut text = String::new();
    let doing = "failed to read the value from standard input";
    let read = io::stdin().take(LIMIT + 1).read_to_string(&mut text);
    let read = read.map_err(|error| CommandError::from(error).context(doing))?;
    if read as u64 > LIMIT {
        return Err(CommandError::new(format!("{doing}: it is longer than {LIMIT} bytes")));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(Secret::new(text))
}
