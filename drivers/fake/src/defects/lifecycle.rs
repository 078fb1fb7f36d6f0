//! Defects of profile `lifecycle`: from `start` to `remove`, `info` and `list`, and who asks at the same time.

use std::{fs, path::Path, time::Duration};

use kdn_protocol::ErrorKind::{InstanceNotFound, Internal, InvalidParams, InvalidState, Unavailable};
use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{CHANGES, Flow, Hooks, INSTANCE},
    json::{edit, entries, error, forget, json, kind, list, object, retain, set, succeed, success, text},
    stage::Straggler,
    wire::{Wire, put, shared},
};

pub(super) const TABLE: &[Defect] = &[
    defect("answers-start-with-stopped", "START-01", |shim| {
        shim.on_result("start", |instance, _, _| set(instance, "state", "stopped"));
    }),
    defect("leaves-a-process-of-a-failed-start", "START-02", |shim| {
        remember_environment(shim);
        shim.on_error("start", |error, request, wire| {
            if !matches!(kind(error), "cancelled" | "not_initialized" | "invalid_params") {
                straggle(wire, of_instance(wire, request.instance()));
            }
        });
    }),
    defect("starts-without-a-secret", "START-04", |shim| {
        shim.forgive("start", |params, error| {
            let field = text(&error["data"], "fieldPath").to_owned();
            let Some(name) = field.strip_prefix("secretValues.") else { return false };
            object(params, "secretValues")
                .is_some_and(|values| values.insert(name.into(), "".into()).is_none())
        });
    }),
    defect("does-not-say-which-secret", "START-04", |shim| shim.blame("start", "secretValues", None)),
    defect("does-not-say-which-port", "START-05", |shim| {
        shim.on_error("start", |error, _, _| {
            if kind(error) == "unavailable" {
                set(error, "message", "a port is taken");
            }
        });
    }),
    defect("answers-taken-ports-with-internal", "START-05", |shim| {
        shim.mistake("start", Unavailable, Internal);
    }),
    defect("starts-with-a-taken-port", "START-05", |shim| {
        shim.on_answer("start", |frame, request, _| {
            if kind(&frame["error"]) == "unavailable" {
                let instance = json!({
                    "id": request.instance(),
                    "workspaceId": "0".repeat(64),
                    "name": "taken",
                    "state": "running",
                });
                succeed(frame, instance);
            }
            Flow::Pass
        });
    }),
    defect("empties-the-home-at-start", "START-06", |shim| {
        shim.on_result("stop", |_, request, wire| {
            wire.remember(&format!("stopped-{}", request.instance()), &json!(true));
        });
        shim.on_request("start", |frame, wire| {
            let id = text(&frame["params"], "id");
            if wire.recall(&format!("stopped-{id}")).is_some() {
                for home in wire.homes(id) {
                    let _ = fs::remove_dir_all(&home);
                    let _ = fs::create_dir(&home);
                }
            }
            Flow::Pass
        });
    }),
    defect("answers-stop-too-early", "STOP-01", |shim| {
        let pending = shared::<usize>();
        let ended = pending.clone();
        shim.on_request("stop", move |frame, wire| {
            let (frame, pending) = (frame.take(), pending.clone());
            if wire.manifest.is_null() || wire.is_shut_down || !frame["params"]["id"].is_string() {
                wire.send(&frame);
                return Flow::Drop;
            }
            wire.ask("info", &json!({"id": frame["params"]["id"]}), move |wire, mut response| {
                if text(&response["result"], "state") != "running" {
                    return wire.send(&frame);
                }
                set(&mut response["result"], "state", "stopped");
                *pending.borrow_mut() += 1;
                let early = pending.clone();
                wire.ask("stop", &frame["params"], move |wire, _| {
                    *early.borrow_mut() -= 1;
                    wire.release();
                });
                let result = response["result"].take();
                wire.answer(&frame["id"], result);
            });
            Flow::Drop
        });
        shim.on_request(["start", "remove", "info", "list", "terminal", "shutdown"], move |frame, wire| {
            let must_wait = *ended.borrow() > 0;
            if must_wait {
                wire.hold(frame);
            }
            Flow::drop_if(must_wait)
        });
    }),
    defect("stop-leaves-a-process", "STOP-01", |shim| {
        remember_environment(shim);
        shim.on_result("stop", |_, request, wire| straggle(wire, of_instance(wire, request.instance())));
    }),
    defect("answers-stop-with-running", "STOP-02", |shim| {
        shim.on_result("stop", |instance, _, _| set(instance, "state", "running"));
    }),
    defect("never-kills", "STOP-03", |shim| {
        shim.on_params("stop", |params, _| {
            let grace = params["graceSeconds"].as_u64().unwrap_or(10);
            set(params, "graceSeconds", grace + 3600);
        });
    }),
    defect("dawdles-at-stop", "STOP-04", |shim| {
        shim.on_answer("stop", |frame, request, wire| {
            let grace = request.params["graceSeconds"].as_u64().unwrap_or(10);
            let frame = frame.take();
            wire.later(Duration::from_secs(grace + 11), move |wire| wire.tell(&frame));
            Flow::Drop
        });
    }),
    defect("removes-running-instances", "REMOVE-01", |shim| {
        shim.on_answer("remove", |frame, request, wire| {
            let is_running = kind(&frame["error"]) == "invalid_state";
            if is_running {
                let (id, params) = (request.id.clone(), request.params.clone());
                let stop = json!({"id": params["id"], "graceSeconds": 0});
                wire.ask("stop", &stop, move |wire, _| {
                    wire.ask("remove", &params, move |wire, mut response| {
                        set(&mut response, "id", id);
                        wire.tell(&response);
                    });
                });
            }
            Flow::drop_if(is_running)
        });
    }),
    defect("stops-what-it-does-not-remove", "REMOVE-01", |shim| {
        shim.on_answer("remove", |frame, request, wire| {
            let is_running = kind(&frame["error"]) == "invalid_state";
            if is_running {
                let frame = frame.take();
                let stop = json!({"id": request.params["id"], "graceSeconds": 0});
                wire.ask("stop", &stop, move |wire, _| wire.tell(&frame));
            }
            Flow::drop_if(is_running)
        });
    }),
    defect("keeps-broken-instances", "REMOVE-02", |shim| {
        when_in_state(shim, "remove", "error", InvalidState);
    }),
    defect("keeps-what-never-ran", "REMOVE-02", |shim| {
        shim.on_result("start", |_, request, wire| {
            wire.remember(&format!("ran-{}", request.instance()), &json!(true));
        });
        shim.on_request("remove", |frame, wire| {
            let id = text(&frame["params"], "id").to_owned();
            let frame = frame.take();
            wire.ask("info", &json!({"id": id}), move |wire, response| {
                let has_run = wire.recall(&format!("ran-{id}")).is_some();
                if text(&response["result"], "state") == "stopped" && !has_run {
                    return wire.refuse(&frame["id"], InvalidState, "the instance never ran");
                }
                wire.send(&frame);
            });
            Flow::Drop
        });
    }),
    defect("remove-leaves-files", "REMOVE-03", |shim| {
        shim.on_result("remove", |_, request, wire| {
            if !request.instance().is_empty() && wire.storage().exists() {
                put(&wire.storage().join("logs").join(request.instance()), "removed\n");
            }
        });
    }),
    defect("remove-deletes-from-the-sources", "REMOVE-04", |shim| {
        shim.on_result("create", |instance, request, wire| {
            wire.remember(&format!("sources-{}", text(instance, "id")), &request.params["sourcePath"]);
        });
        shim.on_result("remove", |_, request, wire| {
            let sources = wire.recall(&format!("sources-{}", request.instance()));
            if let Some(path) =
                sources.as_ref().and_then(Value::as_str).filter(|path| is_for_tests(path, wire))
            {
                for file in fs::read_dir(path).into_iter().flatten().flatten() {
                    let _ = fs::remove_file(file.path());
                }
            }
        });
    }),
    defect("remove-writes-to-the-sources", "REMOVE-04", |shim| {
        shim.on_result("create", |instance, request, wire| {
            wire.remember(&format!("sources-{}", text(instance, "id")), &request.params["sourcePath"]);
        });
        shim.on_result("remove", |_, request, wire| {
            let sources = wire.recall(&format!("sources-{}", request.instance()));
            if let Some(path) = sources.as_ref().and_then(Value::as_str) {
                put(&Path::new(path).join(".kdn-removed"), "");
            }
        });
    }),
    defect("info-is-stale", "INFO-01", |shim| {
        let seen = shared::<serde_json::Map<String, Value>>();
        let changed = seen.clone();
        shim.on_result(["create", "start", "stop"], move |instance, _, _| {
            changed.borrow_mut().insert(text(instance, "id").into(), instance["state"].clone());
        });
        shim.on_result("info", move |instance, _, _| {
            let mut seen = seen.borrow_mut();
            let now = instance["state"].clone();
            let state = seen.entry(text(instance, "id")).or_insert(now);
            set(instance, "state", state.clone());
        });
    }),
    defect("info-remembers-the-last-change", "INFO-01", |shim| {
        shim.on_result(["create", "start", "stop"], |instance, _, wire| {
            wire.remember(&format!("state-{}", text(instance, "id")), &instance["state"]);
        });
        shim.on_result("info", |instance, _, wire| {
            if let Some(state) = wire.recall(&format!("state-{}", text(instance, "id"))) {
                set(instance, "state", state);
            }
        });
    }),
    defect("info-stops-the-instance", "INFO-02", |shim| {
        shim.on_answer("info", |frame, request, wire| {
            let is_running = text(&frame["result"], "state") == "running";
            if is_running {
                let frame = frame.take();
                let stop = json!({"id": request.params["id"], "graceSeconds": 0});
                wire.ask("stop", &stop, move |wire, _| wire.tell(&frame));
            }
            Flow::drop_if(is_running)
        });
    }),
    defect("info-leaves-traces-in-the-home", "INFO-02", |shim| {
        shim.on_result("info", |instance, _, wire| {
            for home in wire.homes(text(instance, "id")) {
                put(&home.join(".looked-at"), "");
            }
        });
    }),
    defect("list-repeats", "LIST-01", |shim| {
        shim.on_result("list", |result, _, _| {
            if let Some(instances) = list(result, "instances") {
                instances.extend(instances.first().cloned());
            }
        });
    }),
    defect("list-forgets", "LIST-01", |shim| {
        shim.on_result("list", |result, _, _| {
            if let Some(instances) = list(result, "instances").filter(|instances| instances.len() > 1) {
                instances.pop();
            }
        });
    }),
    defect("list-says-less-than-info", "LIST-02", |shim| {
        shim.on_result("list", |result, _, _| {
            entries(result, "instances").for_each(|instance| {
                forget(instance, "info");
                forget(instance, "forwards");
            });
        });
    }),
    defect("list-does-not-tell-states", "LIST-02", |shim| {
        shim.on_result("list", |result, _, _| {
            entries(result, "instances").for_each(|instance| {
                set(instance, "state", "unknown");
                set(instance, "reason", "nobody looked");
            });
        });
    }),
    defect("list-ignores-workspace-ids", "LIST-03", |shim| {
        shim.on_params("list", |params, _| {
            if params["workspaceIds"].as_array().is_some_and(|ids| !ids.is_empty()) {
                forget(params, "workspaceIds");
            }
        });
    }),
    defect("list-takes-no-workspace-ids-for-all", "LIST-03", |shim| {
        shim.on_params("list", |params, _| {
            if params["workspaceIds"] == json!([]) {
                forget(params, "workspaceIds");
            }
        });
    }),
    defect("list-knows-one-workspace-id", "LIST-03", |shim| {
        shim.on_params("list", |params, _| {
            if let Some(ids) = params.get_mut("workspaceIds").and_then(Value::as_array_mut) {
                ids.truncate(1);
            }
        });
    }),
    defect("list-refuses-unknown-workspaces", "LIST-04", |shim| {
        shim.on_answer("list", |frame, request, _| {
            let listed = |id: &Value| {
                let mut instances = frame["result"]["instances"].as_array().into_iter().flatten();
                instances.any(|instance| instance["workspaceId"] == *id)
            };
            let mut asked = request.params["workspaceIds"].as_array().into_iter().flatten();
            if frame.get("result").is_some() && asked.any(|id| !listed(id)) {
                forget(frame, "result");
                set(frame, "error", error(InstanceNotFound, "a workspace is not known"));
            }
            Flow::Pass
        });
    }),
    defect("list-fails-when-an-instance-is-broken", "LIST-06", |shim| {
        shim.on_answer("list", |frame, _, _| {
            let mut instances = frame["result"]["instances"].as_array().into_iter().flatten();
            if instances.any(|instance| matches!(text(instance, "state"), "error" | "unknown")) {
                forget(frame, "result");
                set(frame, "error", error(Internal, "an instance can't be read"));
            }
            Flow::Pass
        });
    }),
    defect("list-leaves-out-broken-instances", "LIST-06", |shim| {
        shim.on_result("list", |result, _, _| {
            retain(result, "instances", |instance| !matches!(text(instance, "state"), "error" | "unknown"));
        });
    }),
    defect("list-needs-a-storage-folder", "LIST-07", |shim| {
        shim.refuse("list", Internal, |_, wire| {
            (!wire.manifest.is_null() && !wire.storage().exists()).then_some("the storage folder is absent")
        });
    }),
    defect("list-takes-any-cursor", "LIST-08", |shim| {
        shim.forgive("list", |params, error| {
            kind(error) == "invalid_params"
                && params["cursor"].is_string()
                && forget(params, "cursor").is_some()
        });
    }),
    defect("answers-foreign-cursors-with-internal", "LIST-08", |shim| {
        shim.on_error("list", |error, request, _| {
            if kind(error) == "invalid_params" && request.params["cursor"].is_string() {
                super::json::set_kind(error, Internal);
            }
        });
    }),
    defect("gives-a-file-for-a-dashboard", "DASH-01", |shim| {
        shim.on_result("dashboard", |result, _, _| set(result, "url", "file:///etc/passwd"));
    }),
    defect("shows-dashboards-of-stopped-instances", "DASH-02", |shim| {
        shim.on_answer("dashboard", |frame, _, _| {
            if kind(&frame["error"]) == "invalid_state" {
                succeed(frame, json!({"url": "http://127.0.0.1:9/"}));
            }
            Flow::Pass
        });
    }),
    // What is asked for again.
    defect("refuses-to-start-twice", "IDEM-03", |shim| when_in_state(shim, "start", "running", InvalidState)),
    defect("restarts-what-runs", "IDEM-03", |shim| {
        shim.on_request("start", |frame, wire| {
            let frame = frame.take();
            if wire.manifest.is_null() || wire.is_shut_down || !frame["params"]["id"].is_string() {
                wire.send(&frame);
            } else {
                let stop = json!({"id": frame["params"]["id"], "graceSeconds": 0});
                wire.ask("stop", &stop, move |wire, _| wire.send(&frame));
            }
            Flow::Drop
        });
    }),
    defect("refuses-to-stop-twice", "IDEM-04", |shim| when_in_state(shim, "stop", "stopped", InvalidState)),
    defect("misses-what-is-removed", "IDEM-05", |shim| {
        shim.on_request("remove", |frame, wire| {
            let frame = frame.take();
            if wire.manifest.is_null() || wire.is_shut_down || !frame["params"]["id"].is_string() {
                wire.send(&frame);
                return Flow::Drop;
            }
            wire.ask("info", &json!({"id": frame["params"]["id"]}), move |wire, response| {
                if kind(&response["error"]) == "instance_not_found" {
                    return wire.refuse(&frame["id"], InstanceNotFound, "no such instance");
                }
                wire.send(&frame);
            });
            Flow::Drop
        });
    }),
    defect("answers-unknown-ids-with-invalid-params", "IDEM-06", |shim| {
        shim.mistake(["start", "stop", "info", "terminal", "dashboard"], InstanceNotFound, InvalidParams);
    }),
    defect("stops-unknown-instances", "IDEM-06", |shim| {
        shim.on_answer("stop", |frame, request, _| {
            if kind(&frame["error"]) == "instance_not_found" {
                let instance = json!({
                    "id": request.instance(),
                    "workspaceId": "0".repeat(64),
                    "name": "unknown",
                    "state": "stopped",
                });
                succeed(frame, instance);
            }
            Flow::Pass
        });
    }),
    // Who asks at the same time.
    defect("drops-what-comes-meanwhile", "CONC-01", |shim| {
        shim.on_request(["create", "start", "stop", "remove", "info", "list", "status"], |frame, wire| {
            Flow::drop_if(is_busy(wire, &frame["id"]))
        });
    }),
    defect("looks-after-it-has-worked", "CONC-02", |shim| {
        shim.on_request(["info", "list", "status"], |frame, wire| {
            let is_busy = is_busy(wire, &frame["id"]);
            if is_busy {
                wire.hold(frame);
            }
            Flow::drop_if(is_busy)
        });
        shim.on_answer(CHANGES, |frame, _, wire| {
            if !is_busy(wire, &frame["id"]) {
                wire.release();
            }
            Flow::Pass
        });
    }),
    defect("mixes-changes", "CONC-03", |shim| {
        shim.on_request(["start", "stop"], |frame, wire| {
            let same = |request: &super::wire::Request| {
                request.is_change()
                    && request.params["id"] == frame["params"]["id"]
                    && request.id != frame["id"]
            };
            let is_busy = wire.running.values().any(same);
            if is_busy {
                pretend(frame, wire);
            }
            Flow::drop_if(is_busy)
        });
        shim.on_request("remove", |frame, wire| {
            let same = |request: &super::wire::Request| {
                request.is_change()
                    && request.params["id"] == frame["params"]["id"]
                    && request.id != frame["id"]
            };
            let is_busy = wire.running.values().any(same);
            if is_busy {
                wire.answer(&frame["id"], json!({}));
            }
            Flow::drop_if(is_busy)
        });
    }),
    defect("knows-nothing-of-other-processes", "CONC-04", |shim| {
        shim.on_request(["start", "stop", "remove"], |frame, wire| {
            let name = format!("busy-{}", text(&frame["params"], "id"));
            let is_busy = wire.recall(&name).is_some_and(|pid| is_alive(&pid));
            if is_busy {
                pretend(frame, wire);
            } else {
                wire.remember(&name, &json!(std::process::id()));
            }
            Flow::drop_if(is_busy)
        });
        shim.on_answer(["start", "stop", "remove"], |_, request, wire| {
            let _ = fs::remove_file(wire.memory().join(format!("busy-{}", request.instance())));
            Flow::Pass
        });
    }),
    defect("makes-two-of-one", "CONC-05", |shim| {
        let late = shared::<Vec<Value>>();
        let is_late = late.clone();
        shim.on_request("create", move |frame, wire| {
            let name = format!("making-{}", text(&frame["params"], "workspaceId"));
            if wire.recall(&name).is_some_and(|pid| is_alive(&pid)) {
                late.borrow_mut().push(frame["id"].clone());
            } else {
                wire.remember(&name, &json!(std::process::id()));
            }
            Flow::Pass
        });
        shim.on_result("create", move |instance, request, wire| {
            if is_late.borrow().contains(&request.id) {
                edit(instance, "id", |id| format!("{id}.{}", std::process::id()));
            }
            let name = format!("making-{}", text(&request.params, "workspaceId"));
            wire.later(Duration::from_millis(100), move |wire| {
                let _ = fs::remove_file(wire.memory().join(name));
            });
        });
    }),
    defect("list-is-read-once", "CONC-06", |shim| {
        let read = shared::<Option<Value>>();
        let changed = read.clone();
        shim.on_answer(CHANGES, move |_, _, _| {
            *changed.borrow_mut() = None;
            Flow::Pass
        });
        shim.on_result("list", move |result, request, _| {
            if request.params.get("workspaceIds").or_else(|| request.params.get("cursor")).is_none() {
                let first = read.borrow_mut().get_or_insert_with(|| result.clone()).clone();
                *result = first;
            }
        });
    }),
    defect("info-is-read-once", "CONC-06", |shim| {
        let read = shared::<serde_json::Map<String, Value>>();
        let changed = read.clone();
        shim.on_answer(CHANGES, move |_, _, _| {
            changed.borrow_mut().clear();
            Flow::Pass
        });
        shim.on_result("info", move |instance, _, _| {
            let first =
                read.borrow_mut().entry(text(instance, "id")).or_insert_with(|| instance.clone()).clone();
            *instance = first;
        });
    }),
    defect("drops-forwards-when-it-is-started-again", "LIFE-15", |shim| {
        let made = shared::<Vec<Value>>();
        let known = made.clone();
        shim.on_result("create", move |instance, _, _| made.borrow_mut().push(instance["id"].clone()));
        shim.on_result(INSTANCE, move |instance, _, _| {
            if !known.borrow().contains(&instance["id"]) {
                forget(instance, "forwards");
            }
        });
    }),
];

/// Leaves a process behind for as long as a check may look for it.
pub(super) fn straggle(wire: &Wire, straggler: Straggler) {
    straggler.start(&wire.memory(), Duration::from_secs(15));
}

/// Notes the variables of each instance, for [`of_instance`].
pub(super) fn remember_environment(shim: &mut Hooks) {
    shim.on_result("create", |instance, request, wire| {
        wire.remember(&format!("environment-{}", text(instance, "id")), &request.params["environment"]);
    });
}

/// A process with the environment of those of an instance.
pub(super) fn of_instance(wire: &Wire, id: &str) -> Straggler {
    let mut variables = wire.recall(&format!("environment-{id}")).unwrap_or_default();
    let env = variables.as_array_mut().into_iter().flatten();
    let env = env.map(|entry| (text(entry, "name").to_owned(), text(entry, "value").to_owned()));
    Straggler { env: env.filter(|(name, _)| !name.is_empty()).collect(), ..Straggler::default() }
}

/// Refuses what it is asked for an instance in this state.
fn when_in_state(shim: &mut Hooks, method: &'static str, state: &'static str, with: kdn_protocol::ErrorKind) {
    shim.on_request(method, move |frame, wire| {
        let frame = frame.take();
        if wire.manifest.is_null() || wire.is_shut_down || !frame["params"]["id"].is_string() {
            wire.send(&frame);
            return Flow::Drop;
        }
        wire.ask("info", &json!({"id": frame["params"]["id"]}), move |wire, response| {
            if text(&response["result"], "state") == state {
                return wire.refuse(&frame["id"], with, &format!("the instance is in the state {state}"));
            }
            wire.send(&frame);
        });
        Flow::Drop
    });
}

/// Whether a change is running, other than the request with this id.
fn is_busy(wire: &Wire, but: &Value) -> bool {
    wire.running.values().any(|request| request.is_change() && request.id != *but)
}

/// Says that a change was done, and does nothing.
fn pretend(frame: &Value, wire: &mut Wire) {
    let (id, method) = (frame["id"].clone(), text(frame, "method").to_owned());
    wire.ask("info", &json!({"id": frame["params"]["id"]}), move |wire, mut response| {
        if response.get("result").is_none() {
            set(&mut response, "id", id);
            return wire.tell(&response);
        }
        let result = &mut response["result"];
        match method.as_str() {
            "start" => set(result, "state", "running"),
            "stop" => set(result, "state", "stopped"),
            _ => *result = json!({}),
        }
        let frame = success(&id, result.take());
        wire.running.remove(&id.to_string());
        wire.tell(&frame);
    });
}

/// Whether a process exists that wrote down its id.
pub(super) fn is_alive(pid: &Value) -> bool {
    pid.as_u64().is_some_and(|own| {
        own != u64::from(std::process::id()) && Path::new(&format!("/proc/{own}")).exists()
    })
}

/// Whether a folder lies beside the storage folder, as it does in a place that was made for a test.
fn is_for_tests(path: &str, wire: &Wire) -> bool {
    let (path, storage) = (Path::new(path), wire.storage());
    path != storage && path.parent() == storage.parent()
}
