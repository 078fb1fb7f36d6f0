//! What the checks of the profile `core` have in common: sending lines as they are, and hearing out a driver.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    client::{Driver, Fault},
    cx::Cx,
    stop::{Stop, ensure, fail},
};

/// How long a driver may take to end.
pub(super) const END: Duration = Duration::from_secs(5);
/// How soon a driver tells its type, and answers what is no change.
const SOON: Duration = Duration::from_secs(1);
/// The largest frame, by the protocol.
pub(super) const MOST: usize = 16 * 1024 * 1024;

/// What is wrong with the JSON or its envelope.
pub(super) const PARSE_ERROR: i64 = -32700;
pub(super) const INVALID_REQUEST: i64 = -32600;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const INVALID_PARAMS: i64 = -32602;

/// The methods that every driver has, `type`, `flags` and `initialize` left out.
const METHODS: [&str; 7] = ["create", "start", "stop", "remove", "info", "list", "shutdown"];
/// The methods that a capability brings.
pub(super) const OPTIONAL: [(&str, &str); 4] =
    [("status", "status"), ("agents", "listAgents"), ("terminal", "terminal"), ("dashboard", "dashboard")];

/// The methods that need a session and that this driver has.
pub(super) fn methods(cx: &Cx) -> Vec<&'static str> {
    let declared = OPTIONAL.iter().filter(|(capability, _)| cx.declares(capability));
    METHODS.into_iter().chain(declared.map(|(_, method)| *method)).collect()
}

/// A request for `list`, as text without an end.
pub(super) fn list(id: u64) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "list", "params": {}}).to_string()
}

/// The answer to [`list`], which has to be a result.
pub(super) fn listed(driver: &mut Driver, id: u64) -> Result<(), Stop> {
    match driver.answer(id)? {
        Ok(_) => Ok(()),
        Err(fault) => fail!("list answered {fault}"),
    }
}

/// A request that is so many bytes long, the line's end not counted.
pub(super) fn padded(method: &str, id: u64, params: &Value, bytes: usize) -> String {
    let mut params = params.clone();
    params["_meta"] = json!({"pad": ""});
    let frame = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
    let pad = "x".repeat(bytes.saturating_sub(frame.len()));
    frame.replacen(r#""pad":"""#, &format!(r#""pad":"{pad}""#), 1)
}

/// Writes bytes and waits for the next response, whatever its id is.
pub(super) fn respond(cx: &Cx, driver: &mut Driver, bytes: &[u8]) -> Result<Value, Stop> {
    driver.raw(bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).trim_end().to_owned();
    loop {
        match driver.message(cx.suite.patience)? {
            Some(message) if message.get("method").is_some() => {}
            Some(message) => return Ok(message),
            None => match driver.exit(Duration::from_millis(100)) {
                Ok(status) => fail!("the driver ended ({status}) after {shown:?}"),
                Err(_) => fail!("{shown:?} was not answered"),
            },
        }
    }
}

/// Sends lines that are no requests. Each has to be answered with this id and code, and requests as ever after that.
pub(super) fn refuses(cx: &Cx, lines: &[(&[u8], Value)], code: i64) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for (line, id) in lines {
        let shown = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
        let response = respond(cx, &mut driver, &[line, b"\n".as_slice()].concat())?;
        ensure!(
            response["error"]["code"] == code && response["id"] == *id,
            "{shown:?} was answered with {response}, where the error {code} with the id {id} was due"
        );
    }
    driver.raw(format!("{}\n", list(900)).as_bytes());
    listed(&mut driver, 900)?;
    let more = rest(driver)?;
    ensure!(more.is_empty(), "besides the answers that were due came {more:?}");
    Ok(())
}

/// Calls a method that has to be refused with an error of this code.
pub(super) fn coded(driver: &mut Driver, method: &str, params: &Value, code: i64) -> Result<Fault, Stop> {
    match driver.call(method, params)? {
        Err(fault) if fault.code == code => Ok(fault),
        Err(fault) => fail!("{method} with {} answered {fault}, where {code} was due", short(params)),
        Ok(_) => fail!("{method} with {} succeeded, where the error {code} was due", short(params)),
    }
}

/// Ends the session; returns the responses that nobody asked for.
pub(super) fn rest(mut driver: Driver) -> Result<Vec<Value>, Stop> {
    driver.ok("shutdown", &json!({}))?;
    driver.close_stdin();
    driver.exit(END)?;
    driver.drain(END)?;
    Ok(driver.unasked().into_iter().filter(|message| message.get("method").is_none()).collect())
}

/// The instances in the storage folder of this check, as a driver that is started anew tells them.
pub(super) fn instances(cx: &Cx) -> Result<Vec<Value>, Stop> {
    let mut driver = cx.open()?;
    let list = driver.ok("list", &json!({}))?;
    driver.shutdown()?;
    Ok(list["instances"].as_array().cloned().unwrap_or_default())
}

/// Calls something that may take a second, once or, as the machine may be busy with something else, up to six times.
pub(super) fn soon(cx: &Cx, what: &str, mut call: impl FnMut() -> Result<(), Stop>) -> Result<(), Stop> {
    let (limit, mut best) = (cx.limit(SOON), Duration::MAX);
    for _ in 0..6 {
        let began = Instant::now();
        call()?;
        best = best.min(began.elapsed());
        if best < limit {
            return Ok(());
        }
    }
    fail!("{what} took {:.1} s at best, in six tries", best.as_secs_f64())
}

/// A value as text that fits into a report.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 300 { text } else { text.chars().take(300).chain("...".chars()).collect() }
}
