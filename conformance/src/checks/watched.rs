//! What no driver may ever send: each message of every check is looked at, and counts here.

use std::{cell::Cell, net::Ipv4Addr};

use serde_json::json;

use super::{
    instances::{installing, with},
    list::damaged,
    wire::END,
};
use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, of, start},
    host_ports,
    stop::Stop,
};

pub(super) const CHECKS: &[Check] = &[
    Check::new("core/clean-stdout", "nothing but messages comes on stdout", &["WIRE-01", "WIRE-02"], tour),
    Check::new("core/whole-lines", "stdout ends with a whole line", &["WIRE-02"], tour),
    Check::new("core/silent-start", "nothing comes before the first request", &["LIFE-11"], silent_start),
    Check::new(
        "core/one-response",
        "each request has one response, with its id",
        &["WIRE-19", "WIRE-20"],
        tour,
    ),
    Check::new("core/no-requests", "the driver sends no requests", &["WIRE-22"], tour),
    Check::new("core/result-or-error", "a response has either a result or an error", &["WIRE-19"], tour),
    Check::new("core/frame-limit", "no frame is larger than the host allows", &["WIRE-08"], tour),
    Check::new("core/result-schema", "each result fits the schema of its method", &["CAP-01"], tour),
    Check::new("core/error-schema", "each error fits the schema of errors", &["ERR-01"], tour),
    Check::new("core/no-nulls", "an absent field is left out, and not null", &["WIRE-40"], tour),
    Check::new("core/error-form", "each error has a code and a message", &["ERR-01"], tour),
    Check::new(
        "core/error-kinds",
        "the protocol's own errors have the kind of their code",
        &["ERR-02"],
        tour,
    ),
    Check::new("core/error-kinds-told", "the errors of JSON-RPC have a kind", &["ERR-03"], tour),
    Check::new("core/error-codes", "no error has a code that is not in the table", &["ERR-04"], tour),
    Check::new("core/failed-command", "backend_failed tells the command", &["ERR-06"], tour),
    Check::new("core/stderr-tail", "no error has more than 8192 bytes of stderr", &["ERR-07"], tour),
    Check::new("core/unavailable-hint", "unavailable comes with a hint", &["ERR-09"], tour),
    Check::new("core/field-path", "field paths are names and indices", &["ERR-05"], tour),
    Check::new("lifecycle/states", "an instance has one of the four states", &["INST-04"], tour),
    Check::new(
        "lifecycle/id-form",
        "the id of an instance has the form that the protocol gives it",
        &["INST-01"],
        tour,
    ),
    Check::new("lifecycle/state-reason", "error and unknown come with a reason", &["INST-06"], tour),
    Check::new("steps/schema", "each step fits its schema", &["STEP-06"], tour),
    Check::new("steps/running", "a step has the id of a running request", &["STEP-01"], tour),
    Check::new("steps/none-after", "no step follows the answer", &["STEP-02"], tour),
    Check::new("steps/open-first", "only an open step is updated or closed", &["STEP-03"], tour),
    Check::new("steps/closed", "no step is open when the answer comes", &["STEP-04"], tour),
    Check::new("steps/says-what", "a step says what is being done", &["STEP-06"], tour),
    Check::new("steps/says-why", "a failed step says why", &["STEP-07"], tour),
    Check::new("steps/current-within-total", "no more is done than there is to do", &["STEP-10"], tour),
    Check::new("steps/log-schema", "each log fits its schema", &["LOG-02"], tour),
    Check::new("steps/log-request", "a log has the id of a running request, or none", &["LOG-01"], tour),
    Check::new("steps/log-stream", "a log is of stdout or of stderr", &["LOG-02"], tour),
    Check::new(
        "cancellation/never-uninvited",
        "cancelled is answered only to what was cancelled",
        &["CANC-05"],
        tour,
    ),
    Check::new(
        "robustness/no-orphans",
        "no process is left when all instances are removed",
        &["LIFE-31"],
        tour,
    )
    .needs(&[Need::Linux]),
];

/// A driver that speaks first has the time to, be it at the end of its stdin.
fn silent_start(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    driver.listen(cx.suite.patience / 20)?;
    driver.close_stdin();
    // That it should end is the matter of another check.
    let _ = driver.drain(END);
    Ok(())
}

/// Goes once through the life of a workspace, so that there is something to look at however few checks run. What
/// goes wrong on the way is found by other checks.
#[expect(clippy::unnecessary_wraps, reason = "it has the form of a check")]
fn tour(cx: &mut Cx) -> Result<(), Stop> {
    let suite = std::sync::Arc::clone(&cx.suite);
    suite.toured.call_once(|| {
        for part in [life, trouble, damage] {
            if let Err(stop) = part(cx) {
                cx.transcript.note(&format!("the tour ended early: {stop}"));
            }
        }
    });
    Ok(())
}

/// The life of a workspace, with every method, and some errors on the way.
fn life(cx: &Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    driver.ok("type", &json!({}))?;
    driver.ok("flags", &json!({}))?;
    let _ = driver.call("list", &json!({}))?;
    driver.ok("initialize", &crate::cx::initialize(&cx.storage()))?;
    let workspace = cx.workspace();
    let id = id_of(&driver.ok("create", &workspace)?);
    for method in ["status", "listAgents", "no-such-method"] {
        let _ = driver.call(method, &json!({}))?;
    }
    let _ = driver.call("create", &json!({"workspaceId": "short"}))?;
    look(&mut driver, &id)?;
    driver.ok("start", &start(&id))?;
    let _ = driver.call("dashboard", &of(&id))?;
    let _ = driver.call("remove", &of(&id))?;
    look(&mut driver, &id)?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    driver.ok("remove", &of(&id))?;
    let _ = driver.call("info", &of(&id))?;
    driver.shutdown()
}

/// What goes wrong in the middle of a change.
fn trouble(cx: &Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let file = |path: &str| json!({"path": path, "contentBase64": ""});
    for workspace in [
        with(cx.workspace(), "files", json!([file("a"), file("a/b")])),
        installing(cx.workspace(), &["exit 3"]),
    ] {
        let _ = driver.call("create", &workspace)?;
    }
    if cx.declares("ports") {
        let holder = host_ports::listen(Ipv4Addr::LOCALHOST)?;
        let ports = json!([{"target": 8080, "host": holder.local_addr()?.port()}]);
        let id = id_of(&driver.ok("create", &with(cx.workspace(), "ports", ports))?);
        let _ = driver.call("start", &start(&id))?;
    }
    driver.shutdown()
}

/// An instance whose files are damaged, until one is found out.
fn damage(cx: &Cx) -> Result<(), Stop> {
    let is_found = Cell::new(false);
    damaged(cx, |cx, id, _| {
        if is_found.get() {
            return Ok(());
        }
        let mut driver = cx.open()?;
        let _ = driver.call("list", &json!({}))?;
        let info = driver.call("info", &of(id))?;
        is_found.set(info.is_ok_and(|info| info["state"] == "error" || info["state"] == "unknown"));
        driver.shutdown()
    })
}

fn look(driver: &mut Driver, id: &str) -> Result<(), Stop> {
    driver.ok("info", &of(id))?;
    driver.ok("list", &json!({}))?;
    let _ = driver.call("terminal", &json!({"id": id, "command": ["/bin/sh"]}))?;
    Ok(())
}
