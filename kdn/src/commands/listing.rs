//! How commands list things: as a table, or as one JSON document.

use serde::Serialize;

use super::args::OutputArg;
use crate::output::{CommandError, json, stream, table::Table};

/// All of a kind, as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Items<T> {
    /// What there is; empty when there is nothing.
    pub(super) items: Vec<T>,
}

/// Prints all items as JSON, or in a table with this header; `none` where there are none.
pub(super) fn print<T: Serialize, const COLUMNS: usize>(
    items: Vec<T>,
    output: OutputArg,
    none: &str,
    header: [&str; COLUMNS],
    row: impl Fn(&T) -> [String; COLUMNS],
) -> Result<u8, CommandError> {
    let text = if output.is_json() {
        json::pretty(&Items { items })
    } else if items.is_empty() {
        format!("{none}\n")
    } else {
        let mut table = Table::new(header);
        for item in &items {
            table.row(row(item).each_ref().map(String::as_str));
        }
        table.render()
    };
    stream::stdout(&text)?;
    Ok(0)
}
