//! Which changes tell their progress, and how a failure is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::instances::{installing, leave_stubborn, stop, with};
use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, of, start},
    stop::{Stop, ensure},
};

pub(super) const CHECKS: &[Check] = &[
    Check::new("steps/create", "a create tells a step", &["STEP-09"], |cx| tells(cx, "create")),
    Check::new("steps/start", "a start tells a step", &["STEP-09"], |cx| tells(cx, "start")),
    Check::new("steps/stop", "a stop tells a step", &["STEP-09"], |cx| tells(cx, "stop")),
    Check::new("steps/remove", "a remove tells a step", &["STEP-09"], |cx| tells(cx, "remove")),
    Check::new(
        "steps/long-change",
        "a change that takes longer than 1 s tells a step",
        &["STEP-08"],
        long_change,
    )
    .needs(&[Need::Capability("terminal")])
    .slow(),
    Check::new("steps/failed", "the open step of a change that fails is failed", &["STEP-05"], failed),
    Check::new("steps/string-id", "a request whose id is a string has no steps", &["STEP-01"], string_id),
];

/// The events of the steps of a change, which has to succeed, and its result.
fn follow(driver: &mut Driver, method: &str, params: &Value) -> Result<(Vec<String>, Value), Stop> {
    let request = driver.request(method, params);
    let reply = driver.answer(request)?;
    let result = reply.map_err(|fault| Stop::Failed(format!("{method} answered {fault}")))?;
    Ok((events(driver, request), result))
}

fn events(driver: &mut Driver, request: u64) -> Vec<String> {
    let events = driver.events(request).into_iter().map(|event| event.step().to_owned());
    events.filter(|event| !event.is_empty()).collect()
}

fn tells(cx: &Cx, wanted: &str) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let (mut events, instance) = follow(&mut driver, "create", &cx.workspace())?;
    let id = id_of(&instance);
    for (method, params) in [("start", start(&id)), ("stop", stop(&id)), ("remove", of(&id))] {
        if wanted == "create" {
            break;
        }
        events = follow(&mut driver, method, &params)?.0;
        if method == wanted {
            break;
        }
    }
    ensure!(events.iter().any(|event| event == "start"), "{wanted} told the steps {events:?}");
    Ok(())
}

/// A stop that has to wait for a process takes long in any driver.
fn long_change(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let _plan = leave_stubborn(cx, &id)?;
    let started = Instant::now();
    let (events, _) = follow(&mut driver, "stop", &json!({"id": id, "graceSeconds": 2}))?;
    let took = started.elapsed();
    if took < Duration::from_millis(1500) {
        return Err(Stop::Skipped(
            "a stop of this driver does not wait for a process that ignores it".into(),
        ));
    }
    let opened = events.iter().any(|event| event == "start");
    ensure!(opened, "stop took {:.1} s and told the steps {events:?}", took.as_secs_f64());
    Ok(())
}

/// Changes that fail, some of which only when a step is open.
fn failed(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let file = |path: &str| json!({"path": path, "contentBase64": ""});
    let tries = [
        with(cx.workspace(), "files", json!([file("a"), file("a/b")])),
        installing(cx.workspace(), &["exit 3"]),
    ];
    let mut has_opened = false;
    for workspace in tries {
        has_opened |= fails(&mut driver, "create", &workspace)?;
    }
    let sources = cx.dir().join("fleeting");
    std::fs::create_dir(&sources)?;
    let id = id_of(&driver.ok("create", &with(cx.workspace(), "sourcePath", json!(sources)))?);
    std::fs::remove_dir(&sources)?;
    has_opened |= fails(&mut driver, "start", &start(&id))?;
    if has_opened { Ok(()) } else { Err(Stop::Skipped("no change failed in a step".into())) }
}

/// Whether a change opened a step and failed.
fn fails(driver: &mut Driver, method: &str, params: &Value) -> Result<bool, Stop> {
    let request = driver.request(method, params);
    let reply = driver.answer(request)?;
    let (events, Err(fault)) = (events(driver, request), reply) else { return Ok(false) };
    // A change may also fail between two steps, when the last one is complete.
    let last = events.iter().rev().find(|event| *event != "update");
    let is_closed = last.is_none_or(|event| event == "fail" || event == "complete");
    ensure!(is_closed, "{method} answered {fault}, and left a step open: {events:?}");
    Ok(last.is_some())
}

fn string_id(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.send(&json!({"jsonrpc": "2.0", "id": "text", "method": "create", "params": cx.workspace()}));
    driver.response(&json!("text"), cx.launch().long_patience)?;
    let told = driver.unasked();
    ensure!(told.is_empty(), "a create with a string as id brought {told:?}");
    Ok(())
}
