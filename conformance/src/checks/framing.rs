//! How bytes become frames.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, of},
    stop::{Stop, ensure, fail},
};

use super::{
    instances::ATTEMPTS,
    wire::{END, MOST, instances, list, listed, padded, respond, rest},
};

/// How long a driver may take to read what is large, be it slowly built and on a busy machine.
const READ: Duration = Duration::from_secs(10);
/// The smallest limit that a host may set.
const SMALL: usize = 1024 * 1024;

pub(super) const CHECKS: &[Check] = &[
    Check::new("core/flush", "an answer comes while stdin stays open", &["WIRE-03"], flush),
    Check::new("core/flushed-steps", "a step comes when it begins", &["WIRE-03"], flushed_steps)
        .needs(&[Need::Fixture("slowOptions")]),
    Check::new("core/torn-frame", "a frame may come in any pieces", &["WIRE-04"], torn_frame),
    Check::new("core/joined-frames", "several frames may come in one piece", &["WIRE-04"], joined_frames),
    Check::new("core/crlf", "a line that ends in CRLF is read", &["WIRE-05"], crlf),
    Check::new(
        "core/blank-lines",
        "empty lines and lines of white space are ignored",
        &["WIRE-06"],
        blank_lines,
    ),
    Check::new("core/line-of-64-kib", "a frame of more than 64 KiB is read", &["WIRE-07"], |cx| {
        reads(cx, 64 * 1024 + 1)
    }),
    Check::new("core/frame-of-16-mib", "a frame of 16777216 bytes is read", &["WIRE-07"], |cx| {
        reads(cx, MOST)
    })
    .slow(),
    Check::new(
        "core/large-result",
        "a result that is larger than the host accepts becomes frame_too_large",
        &["WIRE-08", "WIRE-09"],
        large_result,
    )
    .slow(),
    Check::new(
        "core/large-plan",
        "a plan that is larger than the host accepts becomes frame_too_large",
        &["WIRE-08", "WIRE-09"],
        large_plan,
    )
    .slow()
    .needs(&[Need::Capability("terminal")]),
    Check::new(
        "core/large-error",
        "an error about a large value is not larger than the host accepts",
        &["WIRE-08", "WIRE-09"],
        large_error,
    )
    .slow(),
    Check::new(
        "core/oversized-request",
        "a request in a frame above 16777216 bytes is not carried out",
        &["WIRE-10"],
        oversized_request,
    )
    .slow(),
    Check::new(
        "core/oversized-frame",
        "a frame above 16777216 bytes ends the driver with a status other than 0",
        &["WIRE-11"],
        oversized_frame,
    )
    .slow(),
    Check::new(
        "core/torn-last-line",
        "a last line without its end is not carried out",
        &["WIRE-12"],
        torn_last_line,
    ),
    Check::new("core/stderr-utf8", "what comes on stderr is UTF-8", &["WIRE-18"], stderr_utf8),
];

fn flush(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    driver.ok("type", &json!({}))?;
    driver.ok("flags", &json!({}))?;
    driver.close_stdin();
    driver.exit(END).map(|_| ())
}

fn flushed_steps(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut seen = false;
    for _ in 0..ATTEMPTS {
        let id = driver.request("create", &cx.slow_workspace());
        if !driver.wait_for_event(id, |event| event.step() == "start")? {
            return Err(Stop::Skipped("create has no steps".into()));
        }
        let came = driver.answer_within(id, Duration::from_millis(5));
        if came.is_err() {
            driver.answer(id)?.map_err(|fault| Stop::Failed(format!("create answered {fault}")))?;
            seen = true;
            break;
        }
    }
    ensure!(seen, "the first step of create came together with its answer, {ATTEMPTS} times");
    driver.shutdown()
}

/// A string id with characters of two, three and four bytes, all of which get torn.
fn torn_frame(cx: &mut Cx) -> Result<(), Stop> {
    let id = json!("\u{e4}\u{20ac}\u{1f600}");
    let frame = format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": "list", "params": {}}));
    let mut driver = cx.open()?;
    let pieces: Vec<&[u8]> = frame.as_bytes().chunks(frame.len().div_ceil(24)).collect();
    for piece in &pieces {
        driver.raw(piece);
        // So that most of them are read one by one.
        thread::sleep(Duration::from_millis(1));
    }
    let response = driver.response(&id, cx.suite.patience)?;
    ensure!(response.get("result").is_some(), "list in {} pieces was answered with {response}", pieces.len());
    driver.shutdown()
}

fn joined_frames(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let frame = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "type", "params": {}}).to_string();
    // Two frames and the half of a third at once; the other half with a fourth.
    let (third, rest_of_third) = (frame(903), frame(903).split_off(20));
    driver.raw(format!("{}\n{}\n{}", frame(901), frame(902), &third[..20]).as_bytes());
    for id in [901, 902] {
        told(cx, &mut driver, id)?;
    }
    driver.raw(format!("{rest_of_third}\n{}\n", frame(904)).as_bytes());
    for id in [903, 904] {
        told(cx, &mut driver, id)?;
    }
    driver.shutdown()
}

/// The answer to a request for `type`.
fn told(cx: &Cx, driver: &mut Driver, id: u64) -> Result<(), Stop> {
    let answer = driver.answer_within(id, cx.suite.patience)?;
    answer.map(drop).map_err(|fault| Stop::Failed(format!("type answered {fault}")))
}

fn crlf(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let response = respond(cx, &mut driver, format!("{}\r\n", list(900)).as_bytes())?;
    ensure!(response.get("result").is_some(), "list was answered with {response}");
    driver.shutdown()
}

fn blank_lines(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.raw(format!("\n   \n\t\r\n{}\n\n", list(900)).as_bytes());
    listed(&mut driver, 900)?;
    let errors: Vec<Value> = rest(driver)?;
    ensure!(errors.is_empty(), "blank lines were answered with {errors:?}");
    Ok(())
}

fn reads(cx: &Cx, bytes: usize) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.raw(format!("{}\n", padded("list", 900, &json!({}), bytes)).as_bytes());
    listed(&mut driver, 900)?;
    driver.shutdown()
}

/// A session in which no frame may be larger than 1 MiB.
fn initialize_small(cx: &Cx) -> Value {
    let mut params = crate::cx::initialize(&cx.storage());
    params["limits"] = json!({"maxFrameBytes": SMALL});
    params
}

/// An answer that must not be large, be it an error; `None` for a small result.
fn kind_of_small(method: &str, response: &Value) -> Result<Option<String>, Stop> {
    let bytes = response.to_string().len();
    ensure!(bytes <= SMALL, "the answer to {method} has {bytes} bytes, where {SMALL} were allowed");
    Ok(response.get("error").map(|error| error["data"]["kind"].as_str().unwrap_or_default().to_owned()))
}

fn large_result(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut workspace = cx.workspace();
    workspace["name"] = json!("n".repeat(SMALL + 1));
    let Ok(instance) = driver.call("create", &workspace)? else {
        return Err(Stop::Skipped("the driver takes no name that long".into()));
    };
    driver.shutdown()?;
    let mut driver = cx.start()?;
    driver.ok("initialize", &initialize_small(cx))?;
    for (method, params) in [("info", of(&id_of(&instance))), ("list", json!({}))] {
        let id = driver.request(method, &params);
        let response = driver.response(&json!(id), cx.limit(READ))?;
        let kind = kind_of_small(method, &response)?;
        ensure!(
            kind.as_deref() == Some("frame_too_large"),
            "{method} of an instance with a name of {} bytes answered {response}, where frame_too_large was due",
            SMALL + 1
        );
    }
    driver.shutdown()
}

fn large_plan(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    driver.ok("initialize", &initialize_small(cx))?;
    let instance = cx.running(&mut driver, &cx.workspace())?;
    let script = format!("# {}", "x".repeat(SMALL));
    let id = driver.request("terminal", &json!({"id": instance, "command": ["/bin/sh", "-c", script]}));
    let response = driver.response(&json!(id), cx.limit(READ))?;
    match kind_of_small("terminal", &response)?.as_deref() {
        // A plan need not hold the command, and a driver may refuse one that no system can run.
        None | Some("frame_too_large" | "invalid_params") => driver.shutdown(),
        Some(kind) => fail!("terminal with a command of {SMALL} bytes answered {kind}: {response}"),
    }
}

fn large_error(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    driver.ok("initialize", &initialize_small(cx))?;
    let large = "x".repeat(SMALL + 1);
    let calls = [(large.as_str(), json!({}), "method_not_found"), ("info", of(&large), "instance_not_found")];
    for (method, params, due) in calls {
        let shown = if method.len() > 20 { "a method with a large name" } else { method };
        let id = driver.request(method, &params);
        let response = driver.response(&json!(id), cx.limit(READ))?;
        let kind = kind_of_small(shown, &response)?;
        ensure!(kind.is_some(), "{shown} with a value of {} bytes succeeded, where {due} was due", SMALL + 1);
    }
    driver.shutdown()
}

fn oversized_request(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.raw(format!("{}\n", padded("create", 900, &cx.workspace(), MOST + 1)).as_bytes());
    // Whoever goes on has the time to carry it out; that it should exit is the matter of another check.
    let _ = driver.exit(READ);
    driver.close_stdin();
    let _ = driver.exit(READ);
    let left = instances(cx)?;
    ensure!(left.is_empty(), "a create of {} bytes made {left:?}", MOST + 1);
    Ok(())
}

fn oversized_frame(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.raw(format!("{}\n", padded("list", 900, &json!({}), MOST + 1)).as_bytes());
    let status = driver.exit(READ)?;
    ensure!(!status.success(), "the driver exited with {status} after a frame of {} bytes", MOST + 1);
    driver.drain(END)?;
    let wrong = driver.unasked().into_iter().find(|message| {
        message.get("method").is_none() && !(message["id"].is_null() && message["error"]["code"] == 1008)
    });
    ensure!(wrong.is_none(), "a frame of {} bytes was answered with {wrong:?}", MOST + 1);
    Ok(())
}

fn torn_last_line(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.raw(list(900).as_bytes());
    driver.close_stdin();
    driver.exit(END)?;
    driver.drain(END)?;
    let answer = driver.unasked().into_iter().find(|message| message.get("result").is_some());
    ensure!(answer.is_none(), "a list without the end of its line was answered with {answer:?}");
    Ok(())
}

fn stderr_utf8(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let _ = driver.call("remove", &of(&id))?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    driver.ok("remove", &of(&id))?;
    driver.ok("shutdown", &json!({}))?;
    driver.close_stdin();
    driver.exit(END)?;
    let stderr = driver.stderr();
    ensure!(str::from_utf8(&stderr).is_ok(), "stderr is not UTF-8: {:?}", String::from_utf8_lossy(&stderr));
    Ok(())
}
