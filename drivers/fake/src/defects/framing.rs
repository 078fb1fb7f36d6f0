//! Defects of profile `core`: frames and messages (section 3 of the specification).

use std::{io::Write, time::Duration};

use kdn_protocol::ErrorKind::{
    FrameTooLarge, Internal, InvalidParams, InvalidRequest, MethodNotFound, ParseError, Unsupported,
};
use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{ANY, CHANGES, Flow, INSTANCE, NO_REQUEST},
    json::{edit, error, failure, forget, json, kind, set, set_kind, succeed, text},
    wire::{Wire, shared},
};

/// The largest frame.
const MOST: usize = 16 * 1024 * 1024;

pub(super) const TABLE: &[Defect] = &[
    defect("pollutes-stdout", "WIRE-01", |shim| {
        shim.on_answer("create", |_, _, wire| {
            wire.print("STEP 1/3: FROM scratch\n");
            Flow::Pass
        });
    }),
    defect("greets-on-stdout", "WIRE-01", |shim| {
        shim.on_result("initialize", |_, _, wire| wire.print("kdn-runtime ready\n"));
    }),
    defect("writes-progress-without-newline", "WIRE-01 WIRE-02", |shim| {
        shim.on_result("start", |_, _, wire| wire.print("."));
    }),
    defect("prints-blank-lines", "WIRE-01", |shim| {
        shim.on_result("list", |_, _, wire| wire.print("\n"));
    }),
    defect("spreads-frames-over-lines", "WIRE-02", |shim| {
        shim.on_answer("flags", |frame, _, wire| {
            wire.print(format!("{frame:#}\n"));
            Flow::Drop
        });
    }),
    defect("answers-in-latin1", "WIRE-02", |shim| {
        shim.on_answer("flags", |frame, _, wire| {
            set(frame, "_meta", json!({"by": "caf@"}));
            let mut bytes = format!("{frame}\n").into_bytes();
            bytes.iter_mut().filter(|byte| **byte == b'@').for_each(|byte| *byte = 0xe9);
            wire.print(bytes);
            Flow::Drop
        });
    }),
    defect("packs-frames-into-arrays", "WIRE-02", |shim| {
        shim.on_answer("flags", |frame, _, wire| {
            wire.tell(&json!([frame]));
            Flow::Drop
        });
    }),
    defect("says-goodbye-without-newline", "WIRE-02", |shim| {
        shim.on_exit(|_, wire| wire.print("bye"));
    }),
    defect("leaves-the-last-line-open", "WIRE-02", |shim| {
        shim.on_answer("shutdown", |frame, _, wire| {
            wire.print(frame.to_string());
            Flow::Drop
        });
    }),
    defect("flushes-late", "WIRE-03", |shim| {
        let kept = shared::<Option<Value>>();
        let late = kept.clone();
        shim.on_answer("flags", move |frame, _, _| {
            *kept.borrow_mut() = Some(frame.take());
            Flow::Drop
        });
        let again = late.clone();
        shim.on_line(move |_, wire| {
            again.borrow_mut().take().into_iter().for_each(|frame| wire.tell(&frame));
            Flow::Pass
        });
        shim.on_end(move |wire| {
            late.borrow_mut().take().into_iter().for_each(|frame| wire.tell(&frame));
            Flow::Pass
        });
    }),
    defect("flushes-steps-with-the-answer", "WIRE-03", |shim| {
        let kept = shared::<Vec<Value>>();
        let late = kept.clone();
        shim.on_notification("$/step", move |frame, _| {
            kept.borrow_mut().push(frame.take());
            Flow::Drop
        });
        shim.on_answer(CHANGES, move |_, _, wire| {
            late.take().iter().for_each(|frame| wire.tell(frame));
            Flow::Pass
        });
    }),
    defect("loses-torn-frames", "WIRE-04", |shim| {
        // A line of one write up to this size is never torn by a pipe.
        shim.on_line(|line, _| Flow::drop_if(line.pieces > 1 && line.bytes.len() <= 4096));
    }),
    defect("takes-one-frame-a-read", "WIRE-04", |shim| {
        let harmless: [&[u8]; 3] = [b"\"type\"", b"\"flags\"", b"\"status\""];
        shim.on_line(move |line, _| {
            let has = |word: &&[u8]| line.bytes.windows(word.len()).any(|window| window == *word);
            Flow::drop_if(line.is_behind && line.bytes.len() < 4096 && harmless.iter().any(has))
        });
    }),
    defect("ignores-crlf", "WIRE-05", |shim| {
        shim.on_line(|line, _| Flow::drop_if(line.bytes.len() > 2 && line.bytes.ends_with(b"\r\n")));
    }),
    defect("answers-crlf-with-parse-error", "WIRE-05", |shim| {
        shim.on_line(|line, wire| {
            let is_wrong = line.bytes.ends_with(b"\r\n") && !line.bytes.trim_ascii().is_empty();
            refuse_if(is_wrong, wire, ParseError)
        });
    }),
    defect("answers-blank-lines", "WIRE-06", |shim| {
        shim.on_line(|line, wire| refuse_if(line.bytes.trim_ascii().is_empty(), wire, ParseError));
    }),
    defect("ends-at-a-blank-line", "WIRE-06", |shim| {
        shim.on_line(|line, wire| {
            if line.bytes.trim_ascii().is_empty() {
                wire.end();
            }
            Flow::Pass
        });
    }),
    defect("refuses-lines-above-64-kib", "WIRE-07", |shim| limit_lines(shim, 64 * 1024)),
    defect("refuses-frames-above-1-mib", "WIRE-07", |shim| limit_lines(shim, 1024 * 1024)),
    defect("ignores-the-frame-limit", "WIRE-08", |shim| {
        shim.on_answer(["info", "list"], |frame, _, wire| {
            let limit = wire.session["limits"]["maxFrameBytes"].as_u64().unwrap_or(u64::MAX);
            if let Ok(limit) = usize::try_from(limit)
                && limit < MOST
            {
                set(frame, "_meta", json!({"padding": "x".repeat(limit)}));
            }
            Flow::Pass
        });
    }),
    defect("pages-beyond-the-frame-limit", "WIRE-08", |shim| {
        shim.on_params("initialize", |params, _| drop(forget(params, "limits")));
    }),
    defect("drops-oversized-results", "WIRE-09", |shim| {
        shim.on_answer(ANY, |frame, request, _| {
            Flow::drop_if(kind(&frame["error"]) == "frame_too_large" && request.method != NO_REQUEST)
        });
    }),
    defect("answers-oversized-results-with-internal", "WIRE-09", |shim| {
        shim.on_error(ANY, |error, request, _| {
            if kind(error) == "frame_too_large" && request.method != NO_REQUEST {
                set_kind(error, Internal);
            }
        });
    }),
    defect("carries-out-oversized-frames", "WIRE-10", |shim| {
        shim.on_line(|line, wire| {
            if line.text().len() > MOST
                && let Ok(mut frame) = serde_json::from_slice::<Value>(&line.bytes)
            {
                shorten(&mut frame);
                wire.send(&frame);
                return Flow::Drop;
            }
            Flow::Pass
        });
    }),
    defect("reads-on-after-an-oversized-frame", "WIRE-11", |shim| {
        shim.on_line(|line, wire| refuse_if(line.text().len() > MOST, wire, FrameTooLarge));
    }),
    defect("exits-0-after-an-oversized-frame", "WIRE-11", |shim| {
        shim.on_line(|line, wire| {
            if line.text().len() > MOST {
                wire.status = Some(0);
            }
            Flow::Pass
        });
    }),
    defect("carries-out-a-torn-last-line", "WIRE-12", |shim| {
        shim.on_line(|line, _| {
            if !line.bytes.ends_with(b"\n") && line.bytes.len() < MOST {
                line.bytes.push(b'\n');
            }
            Flow::Pass
        });
    }),
    defect("writes-latin1-to-stderr", "WIRE-18", |shim| {
        shim.on_start(|_| drop(std::io::stderr().write_all(b"caf\xe9 is ready\n")));
    }),
    defect("answers-twice", "WIRE-19", |shim| {
        shim.on_answer("info", |frame, _, wire| {
            wire.tell_after(frame);
            Flow::Pass
        });
    }),
    defect("answers-unknown-methods-twice", "WIRE-19", |shim| {
        shim.on_answer(ANY, |frame, _, wire| {
            if frame["error"]["code"] == json!(-32601) {
                wire.tell_after(frame);
            }
            Flow::Pass
        });
    }),
    defect("forgets-to-answer", "WIRE-19", |shim| shim.on_answer("flags", |_, _, _| Flow::Drop)),
    defect("answers-with-result-and-error", "WIRE-19", |shim| {
        shim.on_answer("flags", |frame, _, _| {
            set(frame, "error", error(Internal, "nothing is wrong"));
            Flow::Pass
        });
    }),
    defect("cuts-ids-to-32-bits", "WIRE-20", |shim| {
        shim.on_answer(ANY, |frame, _, _| {
            if let Some(id) = frame["id"].as_u64() {
                set(frame, "id", id & 0xffff_ffff);
            }
            Flow::Pass
        });
    }),
    defect("rounds-large-ids", "WIRE-20", |shim| {
        shim.on_answer(ANY, |frame, _, _| {
            if let Some(id) = frame["id"].as_u64().filter(|id| *id > 1 << 52) {
                set(frame, "id", id & !1);
            }
            Flow::Pass
        });
    }),
    defect("takes-id-0-for-none", "WIRE-20", |shim| {
        shim.on_answer(ANY, |frame, _, _| {
            if frame["id"] == json!(0) {
                set(frame, "id", Value::Null);
            }
            Flow::Pass
        });
    }),
    defect("makes-numbers-of-string-ids", "WIRE-20", |shim| {
        shim.on_answer(ANY, |frame, _, _| {
            if let Some(text) = frame["id"].as_str() {
                let number: u64 = text.parse().unwrap_or_default();
                set(frame, "id", number);
            }
            Flow::Pass
        });
    }),
    defect("changes-string-ids", "WIRE-20", |shim| {
        shim.on_answer(ANY, |frame, _, _| {
            edit(frame, "id", |text| format!("{text} "));
            Flow::Pass
        });
    }),
    defect("refuses-string-ids", "WIRE-21", |shim| {
        shim.on_json(|frame, wire| refuse_if(frame["id"].is_string(), wire, InvalidRequest));
    }),
    defect("asks-the-host", "WIRE-22", |shim| {
        shim.on_result("initialize", |_, _, wire| {
            wire.tell_after(
                &json!({"jsonrpc": "2.0", "id": 1, "method": "workspace/configuration", "params": {}}),
            );
        });
    }),
    defect("dies-of-garbage", "WIRE-23", |shim| {
        shim.on_line(|line, wire| {
            if is_garbage(&line.bytes) {
                wire.die(1);
                return Flow::Drop;
            }
            Flow::Pass
        });
    }),
    defect("ignores-garbage", "WIRE-23", |shim| {
        shim.on_line(|line, _| Flow::drop_if(is_garbage(&line.bytes)));
    }),
    defect("answers-garbage-with-invalid-request", "WIRE-23", |shim| {
        shim.mistake(NO_REQUEST, ParseError, InvalidRequest);
    }),
    defect("answers-garbage-without-an-id", "WIRE-23", |shim| {
        shim.on_answer(NO_REQUEST, |frame, _, _| {
            if frame["error"]["code"] == json!(-32700) {
                forget(frame, "id");
            }
            Flow::Pass
        });
    }),
    defect("mends-invalid-utf8", "WIRE-23", |shim| {
        shim.on_line(|line, _| {
            line.bytes = String::from_utf8_lossy(&line.bytes).into_owned().into_bytes();
            Flow::Pass
        });
    }),
    defect("ignores-scalars", "WIRE-24", |shim| {
        shim.on_json(|frame, _| Flow::drop_if(!frame.is_object() && !frame.is_array()));
    }),
    defect("answers-scalars-with-parse-error", "WIRE-24", |shim| {
        shim.on_json(|frame, wire| refuse_if(!frame.is_object() && !frame.is_array(), wire, ParseError));
    }),
    defect("dies-of-scalars", "WIRE-24", |shim| {
        shim.on_json(|frame, wire| {
            if frame.is_object() || frame.is_array() {
                return Flow::Pass;
            }
            wire.die(1);
            Flow::Drop
        });
    }),
    defect("carries-out-batches", "WIRE-25", |shim| {
        shim.on_json(|frame, wire| {
            let Some(batch) = frame.as_array() else { return Flow::Pass };
            for frame in batch {
                wire.send(frame);
            }
            Flow::Drop
        });
    }),
    defect("carries-out-batches-and-refuses-them", "WIRE-25", |shim| {
        shim.on_json(|frame, wire| {
            let Some(batch) = frame.as_array().cloned() else { return Flow::Pass };
            let requests =
                batch.into_iter().map(|mut one| (text(&one, "method").to_owned(), one["params"].take()));
            let frame = frame.take();
            wire.ask_each(requests, move |wire| wire.send(&frame));
            Flow::Drop
        });
    }),
    defect("answers-batches-one-by-one", "WIRE-25", |shim| {
        shim.on_json(|frame, wire| {
            let Some(batch) = frame.as_array().filter(|batch| !batch.is_empty()) else { return Flow::Pass };
            let errors: Vec<_> =
                batch.iter().map(|frame| failure(&frame["id"], InvalidRequest, "no batches")).collect();
            wire.tell(&json!(errors));
            Flow::Drop
        });
    }),
    defect("accepts-absent-jsonrpc", "WIRE-26", |shim| {
        shim.on_json(|frame, _| {
            if frame.is_object() && frame.get("jsonrpc").is_none() {
                set(frame, "jsonrpc", "2.0");
            }
            Flow::Pass
        });
    }),
    defect("accepts-jsonrpc-1", "WIRE-26", |shim| {
        shim.on_json(|frame, _| {
            if frame.get("jsonrpc").is_some() {
                set(frame, "jsonrpc", "2.0");
            }
            Flow::Pass
        });
    }),
    defect("loses-the-id-of-invalid-requests", "WIRE-26", |shim| {
        shim.on_answer(ANY, |frame, _, _| {
            if frame["error"]["code"] == json!(-32600) {
                set(frame, "id", Value::Null);
            }
            Flow::Pass
        });
    }),
    defect("ignores-requests-without-a-method", "WIRE-26", |shim| {
        shim.on_json(|frame, _| Flow::drop_if(frame.is_object() && !frame["method"].is_string()));
    }),
    defect("answers-null-ids", "WIRE-27", |shim| carry_out(shim, Value::is_null)),
    defect("takes-null-ids-for-none", "WIRE-27", |shim| {
        shim.on_json(|frame, _| Flow::drop_if(frame.get("id").is_some_and(Value::is_null)));
    }),
    defect("accepts-fractional-ids", "WIRE-27", |shim| carry_out(shim, Value::is_f64)),
    defect("accepts-boolean-ids", "WIRE-27", |shim| carry_out(shim, Value::is_boolean)),
    defect("accepts-structured-ids", "WIRE-27", |shim| {
        carry_out(shim, |id| id.is_array() || id.is_object());
    }),
    defect("echoes-bad-ids", "WIRE-27", |shim| {
        shim.on_json(|frame, wire| {
            let is_bad = frame.get("id").is_some_and(|id| !id.is_u64() && !id.is_string());
            if is_bad {
                wire.tell(&failure(&frame["id"], InvalidRequest, "the id is no integer"));
            }
            Flow::drop_if(is_bad)
        });
    }),
    defect("knows-every-method", "WIRE-28", |shim| {
        shim.on_answer(ANY, |frame, request, _| {
            if frame["error"]["code"] == json!(-32601) && !is_optional(&request.method) {
                succeed(frame, json!({}));
            }
            Flow::Pass
        });
    }),
    defect("answers-unknown-methods-with-internal", "WIRE-28", |shim| {
        shim.on_error(ANY, |error, request, _| {
            if error["code"] == json!(-32601) && !is_optional(&request.method) {
                set_kind(error, Internal);
            }
        });
    }),
    defect("serves-undeclared-methods", "WIRE-29", |shim| {
        shim.undeclare("status");
        shim.undeclare("dashboard");
    }),
    defect("answers-undeclared-methods-with-unsupported", "WIRE-29", |shim| {
        for capability in ["status", "agents"] {
            shim.undeclare(capability);
        }
        shim.refuse(["status", "listAgents"], Unsupported, |_, wire| {
            let is_open = !wire.manifest.is_null() && !wire.is_shut_down;
            is_open.then_some("this driver has no such method")
        });
    }),
    defect("ignores-array-params", "WIRE-30", |shim| {
        shim.on_request(ANY, |frame, _| {
            if frame.get("params").is_some_and(|params| !params.is_object()) {
                set(frame, "params", json!({}));
            }
            Flow::Pass
        });
    }),
    defect("answers-array-params-with-invalid-request", "WIRE-30", |shim| {
        shim.on_error(ANY, |error, request, _| {
            if error["code"] == json!(-32602) && !request.params.is_object() {
                set_kind(error, InvalidRequest);
            }
        });
    }),
    defect("needs-params", "WIRE-31", |shim| {
        shim.on_request(ANY, |frame, wire| {
            let is_bare = frame.get("params").is_none() && frame["id"].is_u64();
            if is_bare {
                wire.refuse(&frame["id"], InvalidParams, "params are missing");
            }
            Flow::drop_if(is_bare)
        });
    }),
    defect("answers-unknown-notifications", "WIRE-33", |shim| {
        shim.on_json(|frame, wire| refuse_if(is_foreign_notification(frame), wire, MethodNotFound));
    }),
    defect("dies-of-unknown-notifications", "WIRE-33", |shim| {
        shim.on_json(|frame, wire| {
            if is_foreign_notification(frame) {
                wire.die(1);
            }
            Flow::Pass
        });
    }),
    defect("carries-out-notifications", "WIRE-34", |shim| {
        shim.on_json(|frame, wire| {
            let is_notification = frame.is_object() && frame.get("id").is_none();
            if let Some(method) =
                frame["method"].as_str().filter(|name| is_notification && !name.contains('/'))
            {
                let params = frame.get("params").cloned().unwrap_or_else(|| json!({}));
                wire.ask(method, &params, |_, _| {});
            }
            Flow::Pass
        });
    }),
    defect("gives-up-after-twenty-errors", "WIRE-35", |shim| {
        let mut errors = 0;
        shim.on_answer(ANY, move |frame, _, wire| {
            errors += u32::from(frame.get("error").is_some());
            if errors == 20 {
                wire.die(1);
            }
            Flow::Pass
        });
    }),
    defect("refuses-unknown-fields", "WIRE-39", |shim| {
        shim.refuse(["info", "stop", "remove", "start", "status", "shutdown"], InvalidParams, |params, _| {
            let known = ["id", "graceSeconds", "network", "secretValues"];
            let mut names = params.as_object()?.keys();
            names.any(|name| !known.contains(&name.as_str())).then_some("a field is not known")
        });
    }),
    defect("refuses-meta", "WIRE-39", |shim| {
        shim.refuse(ANY, InvalidParams, |params, _| {
            params.get("_meta").map(|_| "the field _meta is not known")
        });
    }),
    defect("sends-null-for-absent-fields", "WIRE-40", |shim| {
        shim.on_result(INSTANCE, |instance, _, _| {
            if instance.get("reason").is_none() {
                set(instance, "reason", Value::Null);
            }
        });
    }),
    defect("sends-null-for-no-cursor", "WIRE-40", |shim| {
        shim.on_result("list", |result, _, _| {
            if result.get("nextCursor").is_none() {
                set(result, "nextCursor", Value::Null);
            }
        });
    }),
    defect("sends-null-results", "WIRE-40", |shim| {
        shim.on_answer(["remove", "shutdown"], |frame, _, _| {
            if frame.get("result").is_some() {
                set(frame, "result", Value::Null);
            }
            Flow::Pass
        });
    }),
    defect("names-capabilities-of-its-own", "WIRE-44", |shim| {
        shim.on_manifest(|manifest| set(&mut manifest["capabilities"], "snapshots", json!({})));
    }),
    defect("dawdles", "DEAD-04", |shim| {
        shim.on_answer("flags", |frame, _, wire| {
            let frame = frame.take();
            wire.later(Duration::from_millis(1500), move |wire| wire.tell(&frame));
            Flow::Drop
        });
    }),
];

/// Answers a line with an error and the id null in the driver's place.
fn refuse_if(condition: bool, wire: &mut Wire, kind: kdn_protocol::ErrorKind) -> Flow {
    if condition {
        wire.tell(&failure(&Value::Null, kind, "the line is refused"));
    }
    Flow::drop_if(condition)
}

fn limit_lines(shim: &mut super::Hooks, most: usize) {
    shim.on_line(move |line, wire| {
        let size = line.text().len();
        refuse_if(size > most && size <= MOST, wire, FrameTooLarge)
    });
}

/// Carries out requests whose ids are no ids, and answers them with these.
fn carry_out(shim: &mut super::Hooks, is_wanted: fn(&Value) -> bool) {
    shim.on_json(move |frame, wire| {
        let Some(id) = frame.get("id").filter(|id| is_wanted(id)).cloned() else { return Flow::Pass };
        let params = frame.get("params").cloned().unwrap_or_else(|| json!({}));
        wire.ask(frame["method"].as_str().unwrap_or_default(), &params, move |wire, mut response| {
            set(&mut response, "id", id);
            wire.tell(&response);
        });
        Flow::Drop
    });
}

/// Takes the padding out of an oversized frame.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > 1024 * 1024 => text.clear(),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(members) => {
            members.retain(|name, _| name.len() < 1024 * 1024);
            members.values_mut().for_each(shorten);
        }
        _ => {}
    }
}

fn is_garbage(line: &[u8]) -> bool {
    line.ends_with(b"\n")
        && line.len() < MOST
        && !line.trim_ascii().is_empty()
        && serde_json::from_slice::<Value>(line).is_err()
}

/// Whether a notification is for nobody.
fn is_foreign_notification(frame: &Value) -> bool {
    frame.is_object()
        && frame.get("id").is_none()
        && frame["jsonrpc"] == json!("2.0")
        && frame["method"]
            .as_str()
            .is_some_and(|name| name != "$/cancelRequest" && !kdn_protocol::method::NAMES.contains(&name))
}

/// Whether it is a method that a driver may leave out.
fn is_optional(method: &str) -> bool {
    matches!(method, "status" | "listAgents" | "terminal" | "dashboard")
}
