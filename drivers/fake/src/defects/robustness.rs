//! Defects of profile `robustness`: the end of stdin, signals, and what a killed driver leaves behind.

use std::{fs, time::Duration};

use kdn_protocol::ErrorKind::{Busy, Internal};
use serde_json::{Value, json};

use super::{
    Defect, defect,
    hooks::{CHANGES, Flow, Hooks},
    json::{add, forget, set},
    lifecycle::{is_alive, straggle},
    stage::Straggler,
    wire::{Wire, put, shared},
};

pub(super) const TABLE: &[Defect] = &[
    defect("finishes-what-runs-at-the-end", "LIFE-24", |shim| {
        let is_over = shared::<bool>();
        let has_ended = is_over.clone();
        shim.on_end(move |wire| {
            *is_over.borrow_mut() = true;
            Flow::drop_if(is_working(wire))
        });
        shim.on_answer(CHANGES, move |_, _, wire| {
            // The answer at hand is counted no more.
            if *has_ended.borrow() && !is_working(wire) {
                wire.later(Duration::from_millis(50), Wire::end);
            }
            Flow::Pass
        });
    }),
    defect("drops-what-runs-at-the-end", "LIFE-24", |shim| {
        shim.watch("create");
        shim.on_end(|wire| {
            if is_working(wire) {
                leave_traces(wire);
                wire.die(0);
            }
            Flow::Pass
        });
    }),
    defect("ignores-sigterm", "LIFE-25", |shim| shim.on_term(|_| Flow::Drop)),
    defect("ignores-sigterm-while-it-works", "LIFE-25", |shim| {
        shim.on_term(|wire| Flow::drop_if(is_working(wire)));
    }),
    defect("dies-of-sigterm", "LIFE-25", |shim| {
        shim.watch("create");
        shim.on_term(|wire| {
            if is_working(wire) {
                leave_traces(wire);
            }
            wire.die(143);
            Flow::Drop
        });
    }),
    defect("outlives-its-stdout", "LIFE-26", |shim| shim.on_unheard(|_| Flow::Drop)),
    defect("keeps-helpers-in-its-session", "LIFE-29", |shim| {
        accompany(shim, || Straggler { is_near: true, ..Straggler::default() });
    }),
    defect("lets-helpers-hold-its-stdout", "LIFE-30", |shim| {
        accompany(shim, || Straggler { holds_stdout: true, ..Straggler::default() });
    }),
    defect("leaves-a-process-behind", "LIFE-31", |shim| {
        shim.on_result("create", |_, _, wire| straggle(wire, Straggler::default()));
    }),
    defect("leaves-a-process-of-a-removed-instance", "LIFE-31", |shim| {
        shim.on_result("remove", |_, _, wire| straggle(wire, Straggler::default()));
    }),
    defect("fails-after-a-kill", "LIFE-32", |shim| {
        mark(shim);
        shim.refuse("list", Internal, |_, wire| was_killed(wire).then_some("the state is torn"));
    }),
    defect("forgets-what-was-cut-short", "LIFE-32 LIST-05", |shim| {
        shim.on_request("create", |frame, wire| {
            if frame["params"]["workspaceId"].is_string() && !wire.manifest.is_null() {
                wire.leave_traces(&frame["params"]);
            }
            Flow::Pass
        });
        shim.on_answer("create", |_, request, wire| {
            wire.remove_traces(&request.params);
            Flow::Pass
        });
    }),
    defect("lists-what-can-not-be-removed", "LIFE-32 LIST-05", |shim| {
        mark(shim);
        shim.on_result("list", |result, _, wire| {
            add(result, "instances", unfinished(wire));
        });
        shim.refuse("remove", Internal, |params, wire| {
            let mut unfinished = unfinished(wire).into_iter();
            unfinished
                .any(|instance| instance["id"] == params["id"])
                .then_some("the instance is not finished")
        });
    }),
    defect("stays-busy-after-a-kill", "LIFE-33", |shim| {
        mark(shim);
        shim.refuse(CHANGES, Busy, |_, wire| was_killed(wire).then_some("another change is under way"));
    }),
    defect("takes-the-unfinished-for-made", "CREATE-10", |shim| {
        mark(shim);
        shim.on_request("create", |frame, wire| {
            let unfinished = unfinished(wire);
            let known = unfinished
                .into_iter()
                .find(|instance| instance["workspaceId"] == frame["params"]["workspaceId"]);
            let is_known = known.is_some();
            if let Some(mut instance) = known {
                set(&mut instance, "state", "stopped");
                forget(&mut instance, "reason");
                wire.answer(&frame["id"], instance);
            }
            Flow::drop_if(is_known)
        });
    }),
];

fn is_working(wire: &Wire) -> bool {
    wire.running.values().any(super::wire::Request::is_change)
}

/// Leaves what a `create` would that is not rolled back.
fn leave_traces(wire: &Wire) {
    for request in wire.running.values().filter(|request| request.method == "create") {
        wire.leave_traces(&request.params);
    }
}

/// Gives each running instance a process beside it, which outlives the driver.
fn accompany(shim: &mut Hooks, helper: fn() -> Straggler) {
    shim.on_result("start", move |_, request, wire| {
        let running = wire.memory().join(format!("running-{}", request.instance()));
        put(&running, "");
        helper().start(&running, Duration::from_secs(30));
    });
    shim.on_answer(["stop", "remove"], |_, request, wire| {
        let _ = fs::remove_file(wire.memory().join(format!("running-{}", request.instance())));
        Flow::Pass
    });
}

/// Writes down each change while it runs.
fn mark(shim: &mut Hooks) {
    shim.on_request(CHANGES, |frame, wire| {
        if !wire.manifest.is_null() {
            let name = format!("change-{}-{}", std::process::id(), frame["id"]);
            let mark = json!({
                "pid": std::process::id(),
                "workspaceId": frame["params"]["workspaceId"],
                "name": frame["params"]["name"],
            });
            wire.remember(&name, &mark);
        }
        Flow::Pass
    });
    shim.on_answer(CHANGES, |_, request, wire| {
        if !wire.manifest.is_null() {
            let name = format!("change-{}-{}", std::process::id(), request.id);
            let _ = fs::remove_file(wire.memory().join(name));
        }
        Flow::Pass
    });
}

/// The changes that killed drivers were at.
fn marks(wire: &Wire) -> impl Iterator<Item = Value> {
    let files = fs::read_dir(wire.memory()).into_iter().flatten().flatten();
    let marks = files.filter(|file| file.file_name().to_string_lossy().starts_with("change-"));
    let own = json!(std::process::id());
    marks
        .filter_map(|file| serde_json::from_slice::<Value>(&fs::read(file.path()).ok()?).ok())
        .filter(move |mark| mark["pid"] != own && !is_alive(&mark["pid"]))
}

fn was_killed(wire: &Wire) -> bool {
    !wire.manifest.is_null() && marks(wire).next().is_some()
}

/// The instances that killed drivers were making.
fn unfinished(wire: &Wire) -> Vec<Value> {
    let creates = marks(wire).filter(|mark| mark["workspaceId"].is_string());
    let instances = creates.map(|mark| {
        json!({
            "id": "unfinished",
            "workspaceId": mark["workspaceId"],
            "name": mark["name"],
            "state": "error",
            "reason": "it was not finished",
        })
    });
    instances.collect()
}
