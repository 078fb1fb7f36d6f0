//! Defects of profile `cancellation`: what a driver does that is told not to go on.

use std::time::Duration;

use kdn_protocol::ErrorKind::{Busy, Cancelled, Internal, InvalidState};
use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{CHANGES, Flow},
    json::{add, failure, json, kind, set_kind, succeed},
    lifecycle::{of_instance, remember_environment, straggle},
    wire::shared,
};

pub(super) const TABLE: &[Defect] = &[
    defect("ignores-cancellation", "CANC-01", |shim| {
        // What was cancelled takes its time, however short it is.
        let cancelled = shared::<Vec<Value>>();
        let late = cancelled.clone();
        shim.on_request("$/cancelRequest", move |frame, _| {
            cancelled.borrow_mut().push(frame["params"]["id"].clone());
            Flow::Drop
        });
        shim.on_answer(CHANGES, move |frame, request, wire| {
            let is_late = late.borrow().contains(&request.id);
            if is_late {
                let frame = frame.take();
                wire.later(Duration::from_secs(11), move |wire| wire.tell(&frame));
            }
            Flow::drop_if(is_late)
        });
    }),
    defect("cancels-without-effect", "CANC-02", |shim| shim.on_request("$/cancelRequest", |_, _| Flow::Drop)),
    defect("never-answers-what-was-cancelled", "CANC-01", |shim| {
        shim.on_answer(CHANGES, |frame, _, _| Flow::drop_if(kind(&frame["error"]) == "cancelled"));
    }),
    defect("answers-cancelled-requests-with-internal", "CANC-02", |shim| {
        shim.mistake(CHANGES, Cancelled, Internal);
    }),
    defect("answers-cancelled-starts-with-invalid-state", "CANC-02", |shim| {
        shim.mistake("start", Cancelled, InvalidState);
    }),
    defect("claims-that-a-cancelled-create-was-done", "CANC-02", |shim| {
        shim.on_answer("create", |frame, request, _| {
            if kind(&frame["error"]) == "cancelled" {
                let instance = json!({
                    "id": "cancelled",
                    "workspaceId": request.params["workspaceId"],
                    "name": request.params["name"],
                    "state": "stopped",
                });
                succeed(frame, instance);
            }
            Flow::Pass
        });
    }),
    defect("does-nothing-else-while-it-rolls-back", "CANC-03", |shim| {
        let is_busy = shared::<bool>();
        let (begun, ended) = (is_busy.clone(), is_busy.clone());
        shim.on_request("$/cancelRequest", move |frame, wire| {
            *begun.borrow_mut() |= wire.running.contains_key(&frame["params"]["id"].to_string());
            Flow::Pass
        });
        shim.refuse(["info", "list", "status"], Busy, move |_, _| {
            is_busy.borrow().then_some("it is busy with what was cancelled")
        });
        shim.on_answer(CHANGES, move |frame, _, wire| {
            // It takes so long that the next request comes before its end.
            let is_over = *ended.borrow() && kind(&frame["error"]) == "cancelled";
            if is_over {
                let (frame, ended) = (frame.take(), ended.clone());
                wire.later(Duration::from_millis(300), move |wire| {
                    *ended.borrow_mut() = false;
                    wire.tell(&frame);
                });
            }
            Flow::drop_if(is_over)
        });
    }),
    defect("answers-a-cancellation-of-nothing", "CANC-04", |shim| {
        shim.on_request("$/cancelRequest", |frame, wire| {
            let id = &frame["params"]["id"];
            if !wire.running.contains_key(&id.to_string()) {
                wire.tell(&failure(id, Cancelled, "nothing to cancel"));
            }
            Flow::Pass
        });
    }),
    defect("dies-of-a-cancellation-of-nothing", "CANC-04", |shim| {
        shim.on_request("$/cancelRequest", |frame, wire| {
            if !wire.running.contains_key(&frame["params"]["id"].to_string()) {
                wire.die(1);
            }
            Flow::Pass
        });
    }),
    defect("cancels-what-comes-next", "CANC-04 CANC-05", |shim| {
        let is_due = shared::<bool>();
        let next = is_due.clone();
        shim.on_request("$/cancelRequest", move |frame, wire| {
            *is_due.borrow_mut() |= !wire.running.contains_key(&frame["params"]["id"].to_string());
            Flow::Pass
        });
        shim.on_request(["create", "start", "info", "list"], move |frame, wire| {
            let is_cancelled = std::mem::take(&mut *next.borrow_mut());
            if is_cancelled {
                wire.refuse(&frame["id"], Cancelled, "cancelled");
            }
            Flow::drop_if(is_cancelled)
        });
    }),
    defect("cancels-everything", "CANC-03", |shim| {
        shim.on_request("$/cancelRequest", |_, wire| {
            let ids: Vec<Value> = wire
                .running
                .values()
                .filter(|request| request.is_change())
                .map(|request| request.id.clone())
                .collect();
            for id in ids {
                wire.send(&json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}}));
            }
            Flow::Drop
        });
    }),
    defect("answers-failures-with-cancelled", "CANC-05", |shim| {
        shim.on_error("remove", |error, _, _| {
            if kind(error) == "invalid_state" {
                set_kind(error, Cancelled);
            }
        });
    }),
    defect("cancels-without-declaring-it", "CANC-06", |shim| shim.undeclare("cancellation")),
    defect("create-leaves-files-after-cancel", "CREATE-02", |shim| {
        shim.on_error("create", |error, request, wire| {
            if kind(error) == "cancelled" {
                wire.leave_traces(&request.params);
            }
        });
    }),
    defect("create-stays-listed-after-cancel", "CREATE-02", |shim| {
        let ghosts = shared::<Vec<Value>>();
        let listed = ghosts.clone();
        shim.on_error("create", move |error, request, _| {
            if kind(error) == "cancelled" {
                ghosts.borrow_mut().push(json!({
                    "id": "unfinished",
                    "workspaceId": request.params["workspaceId"],
                    "name": request.params["name"],
                    "state": "error",
                    "reason": "cancelled",
                }));
            }
        });
        shim.on_result("list", move |result, _, _| {
            add(result, "instances", listed.borrow().clone());
        });
    }),
    defect("start-leaves-processes-after-cancel", "START-02", |shim| {
        remember_environment(shim);
        shim.on_error("start", |error, request, wire| {
            if kind(error) == "cancelled" {
                straggle(wire, of_instance(wire, request.instance()));
            }
        });
    }),
    defect("start-goes-on-after-cancel", "START-02", |shim| {
        shim.on_answer("start", |frame, request, wire| {
            let is_cancelled = kind(&frame["error"]) == "cancelled";
            if is_cancelled {
                let frame = frame.take();
                wire.ask("start", &request.params, move |wire, _| wire.tell(&frame));
            }
            Flow::drop_if(is_cancelled)
        });
    }),
];
