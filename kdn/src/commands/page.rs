//! How commands show a web page.

use serde::Serialize;

use super::args::OutputArg;
use crate::{
    output::{CommandError, json, stream},
    process,
};

/// A web page as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Page<'a> {
    /// Its URL.
    url: &'a str,
}

/// Prints the URL and, unless only that or JSON was asked for, opens it. Where nothing can open it, it was printed.
pub(super) fn show(url: &str, only_print: bool, output: OutputArg) -> Result<u8, CommandError> {
    if output.is_json() {
        stream::stdout(&json::pretty(&Page { url }))?;
        return Ok(0);
    }
    stream::stdout(&format!("{url}\n"))?;
    if !only_print {
        let _ = process::browse(url);
    }
    Ok(0)
}
