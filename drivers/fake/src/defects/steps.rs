//! Defects of profile `steps`: notifications of progress, and logs.

use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{CHANGES, Flow},
    json::{edit, json, set, text},
    wire::shared,
};

pub(super) const TABLE: &[Defect] = &[
    defect("takes-steps-for-nobody", "STEP-01", |shim| {
        shim.on_answer(CHANGES, |_, _, wire| {
            wire.tell(&step(&json!(987_654), &json!({"event": "start", "inProgress": "Tidying up"})));
            wire.tell(&step(&json!(987_654), &json!({"event": "complete"})));
            Flow::Pass
        });
    }),
    defect("takes-steps-after-the-answer", "STEP-02", |shim| {
        shim.on_answer("create", |_, request, wire| {
            wire.tell_after(&step(&request.id, &json!({"event": "start", "inProgress": "Tidying up"})));
            wire.tell_after(&step(&request.id, &json!({"event": "complete"})));
            Flow::Pass
        });
    }),
    defect("completes-after-the-answer", "STEP-02 STEP-04", |shim| {
        let last = shared::<Option<Value>>();
        let late = last.clone();
        shim.on_notification("$/step", move |frame, wire| {
            // A step is completed only when the next one opens, or behind the answer.
            late.borrow_mut().take().into_iter().for_each(|frame| wire.tell(&frame));
            let is_complete = text(&frame["params"], "event") == "complete";
            if is_complete {
                *late.borrow_mut() = Some(frame.take());
            }
            Flow::drop_if(is_complete)
        });
        shim.on_answer(CHANGES, move |_, _, wire| {
            last.borrow_mut().take().into_iter().for_each(|frame| wire.tell_after(&frame));
            Flow::Pass
        });
    }),
    defect("updates-before-it-starts", "STEP-03", |shim| {
        shim.on_notification("$/step", |frame, wire| {
            let params = &frame["params"];
            if text(params, "event") == "start" && !text(params, "completed").is_empty() {
                wire.tell(&step(&params["requestId"], &json!({"event": "complete"})));
                wire.tell(&step(&params["requestId"], &json!({"event": "update", "current": 1, "total": 2})));
            }
            Flow::Pass
        });
    }),
    defect("completes-twice", "STEP-03", |shim| {
        shim.on_notification("$/step", |frame, wire| {
            if text(&frame["params"], "event") == "complete" {
                wire.tell_after(frame);
            }
            Flow::Pass
        });
    }),
    defect("leaves-steps-open", "STEP-04", |shim| {
        shim.on_notification("$/step", |frame, _| {
            Flow::drop_if(text(&frame["params"], "event") == "complete")
        });
    }),
    defect("leaves-failed-steps-open", "STEP-04 STEP-05", |shim| {
        shim.on_notification("$/step", |frame, _| Flow::drop_if(text(&frame["params"], "event") == "fail"));
    }),
    defect("completes-what-failed", "STEP-05", |shim| {
        shim.on_step(|params| {
            if text(params, "event") == "fail" {
                *params = json!({"requestId": params["requestId"], "event": "complete"});
            }
        });
    }),
    defect("does-not-say-what-it-does", "STEP-06", |shim| {
        shim.on_step(|params| edit(params, "inProgress", |_| String::new()));
    }),
    defect("fails-without-a-word", "STEP-07", |shim| {
        shim.on_step(|params| edit(params, "error", |_| String::new()));
    }),
    defect("works-in-silence", "STEP-08 STEP-09", |shim| shim.on_notification("$/step", |_, _| Flow::Drop)),
    defect("stops-in-silence", "STEP-09", |shim| {
        shim.on_request("stop", |_, _| Flow::Pass);
        shim.on_notification("$/step", |frame, wire| {
            let request = wire.running.get(&frame["params"]["requestId"].to_string());
            Flow::drop_if(request.is_some_and(|request| request.method == "stop"))
        });
    }),
    defect("overshoots", "STEP-10", |shim| {
        shim.on_notification("$/step", |frame, wire| {
            if text(&frame["params"], "event") == "start" {
                let update = json!({"event": "update", "current": 3, "total": 2});
                wire.tell_after(&step(&frame["params"]["requestId"], &update));
            }
            Flow::Pass
        });
    }),
    defect("logs-after-the-answer", "LOG-01", |shim| {
        shim.on_answer("create", |_, request, wire| {
            wire.tell_after(&log(&request.id, "stdout"));
            Flow::Pass
        });
    }),
    defect("logs-for-nobody", "LOG-01", |shim| {
        shim.on_answer(CHANGES, |_, _, wire| {
            wire.tell(&log(&json!(987_654), "stdout"));
            Flow::Pass
        });
    }),
    defect("logs-to-the-console", "LOG-02", |shim| {
        shim.on_answer(CHANGES, |_, request, wire| {
            if request.id.is_u64() {
                wire.tell(&log(&request.id, "console"));
            }
            Flow::Pass
        });
    }),
];

fn step(request: &Value, more: &Value) -> Value {
    let mut params = more.clone();
    set(&mut params, "requestId", request.clone());
    json!({"jsonrpc": "2.0", "method": "$/step", "params": params})
}

fn log(request: &Value, stream: &str) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "$/log",
        "params": {"requestId": request, "stream": stream, "text": "done\n"},
    })
}
