//! Framing, the manifest, `initialize`, errors, and the end of a session.

use serde_json::{Value, json};

use crate::{
    check::Check,
    client::Driver,
    cx::Cx,
    stop::{Stop, ensure},
};

pub(super) const CHECKS: &[Check] = &[
    Check::new("core/crlf", "a line that ends in CRLF is read", &["WIRE-05"], crlf),
    Check::new(
        "core/blank-lines",
        "empty lines and lines of white space are ignored",
        &["WIRE-06"],
        blank_lines,
    ),
];

/// A request for `list` with the id 900, as text without an end.
fn list() -> String {
    json!({"jsonrpc": "2.0", "id": 900, "method": "list", "params": {}}).to_string()
}

/// The answer to [`list`], which has to be a result.
fn listed(driver: &mut Driver) -> Result<(), Stop> {
    let answer = driver.answer(900)?;
    ensure!(answer.is_ok(), "list answered {}", answer.unwrap_err());
    Ok(())
}

fn crlf(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.raw(format!("{}\r\n", list()).as_bytes());
    listed(&mut driver)?;
    driver.shutdown()
}

fn blank_lines(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.raw(format!("\n   \n\t\r\n{}\n\n", list()).as_bytes());
    listed(&mut driver)?;
    // An error with the id null would have come before that answer.
    let errors: Vec<Value> = driver.unasked();
    ensure!(errors.is_empty(), "blank lines were answered with {errors:?}");
    driver.shutdown()
}
