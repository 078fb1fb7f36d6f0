//! Defects of profile `core`: the start, the manifest, the session and its end.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    time::Duration,
};

use kdn_protocol::{
    ErrorKind::{Internal, InvalidParams, MethodNotFound, NotInitialized, Unavailable, VersionMismatch},
    PROTOCOL_ENV,
};
use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{CHANGES, Flow, Hooks},
    json::{
        add, edit, entries, error, failure, forget, json, kind, list, object, retain, set, set_kind, succeed,
        text,
    },
    lifecycle::straggle,
    stage::Straggler,
    variable,
    wire::{Wire, shared},
};

pub(super) const TABLE: &[Defect] = &[
    defect("knows-host-version-1-only", "LIFE-06", |shim| {
        shim.on_start(|wire| {
            if variable(PROTOCOL_ENV).is_none_or(|version| version != "1") {
                wire.die(64);
            }
        });
    }),
    defect("serves-without-a-host", "LIFE-07", |shim| shim.serves_anyone = true),
    defect("exits-1-by-hand", "LIFE-07", |shim| by_hand(shim, 64, |output| exit(output, 1))),
    defect("says-nothing-by-hand", "LIFE-08", |shim| by_hand(shim, 64, |output| output.stderr.clear())),
    defect("prints-the-bare-version", "LIFE-09", |shim| {
        version(shim, |output| {
            let version = output.stdout.split(|byte| *byte == b' ').next_back().unwrap_or_default().to_vec();
            output.stdout = version;
        });
    }),
    defect("prints-the-version-to-stderr", "LIFE-09", |shim| {
        version(shim, |output| output.stderr = std::mem::take(&mut output.stdout));
    }),
    defect("exits-1-after-the-version", "LIFE-09", |shim| version(shim, |output| exit(output, 1))),
    defect("exits-64-after-help", "LIFE-10", |shim| help(shim, |output| exit(output, 64))),
    defect("prints-help-to-stderr", "LIFE-10", |shim| {
        help(shim, |output| output.stderr = std::mem::take(&mut output.stdout));
    }),
    defect("speaks-first", "LIFE-11", |shim| {
        shim.on_start(|wire| {
            wire.tell(&json!({"jsonrpc": "2.0", "method": "$/log", "params": {"text": "hello\n"}}));
        });
    }),
    defect("serves-before-initialize", "LIFE-12", |shim| {
        shim.on_answer("list", |frame, _, wire| {
            if kind(&frame["error"]) == "not_initialized" && wire.manifest.is_null() {
                succeed(frame, json!({"instances": []}));
            }
            Flow::Pass
        });
    }),
    defect("checks-params-before-the-session", "LIFE-12", |shim| {
        shim.refuse(["create", "info", "stop", "start", "remove"], InvalidParams, |params, wire| {
            let lacks = params["id"].is_null() && params["workspaceId"].is_null();
            (lacks && wire.manifest.is_null()).then_some("a field is missing")
        });
    }),
    defect("answers-method-not-found-before-initialize", "LIFE-12", |shim| {
        shim.refuse(["status", "terminal"], MethodNotFound, |_, wire| {
            wire.manifest.is_null().then_some("no such method yet")
        });
    }),
    defect("initializes-twice", "LIFE-13", |shim| {
        let first = shared::<Option<Value>>();
        shim.on_answer("initialize", move |frame, _, wire| {
            if let Some(result) = frame.get("result") {
                first.borrow_mut().get_or_insert_with(|| result.clone());
            } else if let Some(result) = first.borrow().clone().filter(|_| !wire.is_shut_down) {
                succeed(frame, result);
            }
            Flow::Pass
        });
    }),
    defect("serves-after-shutdown", "LIFE-14", |shim| {
        shim.on_request("shutdown", |frame, wire| {
            let is_first = !wire.manifest.is_null() && !wire.is_shut_down;
            if is_first && frame["id"].is_u64() {
                wire.is_shut_down = true;
                wire.answer(&frame["id"], json!({}));
            }
            Flow::drop_if(is_first)
        });
    }),
    defect("opens-again-after-shutdown", "LIFE-14", |shim| {
        let first = shared::<Value>();
        shim.on_answer("initialize", move |frame, _, wire| {
            if let Some(result) = frame.get("result") {
                *first.borrow_mut() = result.clone();
            } else if wire.is_shut_down {
                succeed(frame, first.borrow().clone());
            }
            Flow::Pass
        });
    }),
    defect("forgets-instances-when-it-ends", "LIFE-15", |shim| {
        let mine = shared::<Vec<Value>>();
        let known = mine.clone();
        shim.on_result(["create", "start"], move |instance, _, _| {
            mine.borrow_mut().push(instance["id"].clone());
        });
        shim.on_result("list", move |result, _, _| {
            retain(result, "instances", |instance| known.borrow().contains(&instance["id"]));
        });
    }),
    defect("lists-instances-of-its-neighbours", "LIFE-16", |shim| {
        shim.on_result("create", |instance, _, wire| {
            wire.remember(&format!("made-{}", text(instance, "id")), instance);
        });
        shim.on_result("remove", |_, request, wire| {
            let _ = fs::remove_file(wire.memory().join(format!("made-{}", request.instance())));
        });
        shim.on_result("list", |result, _, wire| {
            add(result, "instances", made_by_neighbours(wire));
        });
    }),
    defect("makes-its-storage-searchable", "LIFE-17", |shim| {
        shim.on_answer(CHANGES, |_, _, wire| {
            let _ = fs::set_permissions(wire.storage(), Permissions::from_mode(0o711));
            Flow::Pass
        });
    }),
    defect("needs-its-storage-to-be-there", "LIFE-17", |shim| {
        shim.refuse("create", Internal, |_, wire| {
            (!wire.storage().exists()).then_some("the storage folder is absent")
        });
    }),
    defect("makes-its-storage-at-once", "LIFE-18", |shim| {
        shim.on_result("initialize", |_, _, wire| make(wire));
    }),
    defect("makes-its-storage-to-list", "LIFE-18", |shim| shim.on_result("list", |_, _, wire| make(wire))),
    defect("makes-its-storage-for-its-status", "LIFE-18", |shim| {
        shim.on_result(["status", "listAgents"], |_, _, wire| make(wire));
    }),
    defect("makes-its-storage-for-info", "LIFE-18", |shim| {
        shim.on_error("info", |_, _, wire| make(wire));
    }),
    defect("exits-1-after-shutdown", "LIFE-21", |shim| {
        shim.on_exit(|status, wire| {
            if wire.is_shut_down {
                *status = 1;
            }
        });
    }),
    defect("lingers-at-the-end", "LIFE-22", |shim| {
        shim.on_end(|wire| {
            let is_idle = wire.running.is_empty();
            if is_idle {
                wire.later(Duration::from_millis(6500), Wire::end);
            }
            Flow::drop_if(is_idle)
        });
    }),
    defect("exits-1-without-shutdown", "LIFE-23", |shim| {
        shim.on_exit(|status, wire| {
            if !wire.is_shut_down && wire.running.is_empty() {
                *status = 1;
            }
        });
    }),
    defect("forgets-type-before-initialize", "TYPE-01", |shim| {
        shim.refuse("type", NotInitialized, |_, wire| wire.manifest.is_null().then_some("no session yet"));
    }),
    defect("forgets-type-in-a-session", "TYPE-01", |shim| {
        shim.refuse("type", Internal, |_, wire| {
            (!wire.manifest.is_null() && !wire.is_shut_down).then_some("a session is open")
        });
    }),
    defect("forgets-type-after-shutdown", "TYPE-01", |shim| {
        shim.refuse("type", NotInitialized, |_, wire| wire.is_shut_down.then_some("the session is over"));
    }),
    defect("wakes-slowly", "TYPE-02", |shim| {
        let mut is_first = true;
        shim.on_answer("type", move |frame, _, wire| {
            let frame = frame.take();
            let delay = if std::mem::take(&mut is_first) { 1500 } else { 0 };
            wire.later(Duration::from_millis(delay), move |wire| wire.tell(&frame));
            Flow::Drop
        });
    }),
    defect("needs-its-backend-for-type", "TYPE-03", |shim| need_backend(shim, "type")),
    defect("counts-its-types", "TYPE-04", |shim| {
        let mut count = 0;
        shim.on_result("type", move |manifest, _, _| {
            count += 1;
            edit(manifest, "description", |text| format!("{text} ({count})"));
        });
    }),
    defect("is-another-in-every-process", "TYPE-04", |shim| {
        let pid = std::process::id();
        shim.on_manifest(move |manifest| edit(manifest, "description", |text| format!("{text} ({pid})")));
    }),
    defect("forgets-flags-before-initialize", "FLAG-01", |shim| {
        shim.refuse("flags", NotInitialized, |_, wire| wire.manifest.is_null().then_some("no session yet"));
    }),
    defect("forgets-flags-after-shutdown", "FLAG-01", |shim| {
        shim.refuse("flags", NotInitialized, |_, wire| wire.is_shut_down.then_some("the session is over"));
    }),
    defect("needs-its-backend-for-flags", "FLAG-02", |shim| need_backend(shim, "flags")),
    defect("hides-flags-in-a-session", "FLAG-03", |shim| {
        shim.on_result("flags", |result, _, wire| {
            if !wire.manifest.is_null() {
                let name = format!("{}-session", text(&wire.manifest, "type"));
                add_flag(result, &name, false);
            }
        });
    }),
    defect("names-flags-twice", "FLAG-04", |shim| {
        shim.on_result("flags", |result, _, _| {
            if let Some(flags) = list(result, "flags") {
                let first =
                    flags.first().cloned().unwrap_or_else(|| json!({"name": "twin", "usage": "Twin"}));
                flags.extend([first.clone(), first]);
            }
        });
    }),
    defect("names-flags-after-nobody", "FLAG-05", |shim| {
        shim.on_result("flags", |result, _, _| add_flag(result, "verbose", false));
    }),
    defect("takes-the-lowest-version", "INIT-01", |shim| {
        shim.on_manifest(|manifest| set(manifest, "protocolVersions", json!([1, 2])));
    }),
    defect("accepts-any-version", "INIT-02 VER-02", |shim| {
        shim.on_params("initialize", |params, _| {
            if params["protocolVersions"].as_array().is_some_and(|versions| !versions.contains(&json!(1))) {
                set(params, "protocolVersions", json!([1]));
            }
        });
    }),
    defect("hides-its-versions", "INIT-02", |shim| {
        shim.on_error("initialize", |error, _, _| {
            if kind(error) == "version_mismatch" {
                forget(&mut error["data"], "supported");
            }
        });
    }),
    defect("answers-foreign-versions-with-invalid-params", "INIT-02", |shim| {
        shim.mistake("initialize", VersionMismatch, InvalidParams);
    }),
    defect("gives-up-after-a-failed-initialize", "INIT-03", |shim| {
        let failed = shared::<bool>();
        let has_failed = failed.clone();
        shim.on_error("initialize", move |_, _, _| *failed.borrow_mut() = true);
        shim.refuse("initialize", NotInitialized, move |_, _| {
            has_failed.borrow().then_some("it failed before")
        });
    }),
    defect("needs-its-backend-for-initialize", "INIT-04", |shim| need_backend(shim, "initialize")),
    defect("declares-more-in-a-session", "INIT-05", |shim| {
        shim.on_result("type", |manifest, _, _| {
            forget(&mut manifest["capabilities"], "agents");
        });
    }),
    defect("changes-its-name-in-a-session", "INIT-06", |shim| {
        shim.on_result("initialize", |result, _, _| {
            edit(&mut result["manifest"], "displayName", |name| format!("{name} (connected)"));
        });
    }),
    defect("hides-in-a-session", "INIT-06", |shim| {
        shim.on_result("initialize", |result, _, _| {
            let is_hidden = result["manifest"]["hidden"].as_bool().unwrap_or_default();
            set(&mut result["manifest"], "hidden", !is_hidden);
        });
    }),
    defect("accepts-relative-storage", "INIT-07", |shim| {
        shim.on_params("initialize", |params, _| {
            edit(params, "storageDir", |path| {
                // To join an absolute path is to take it.
                std::env::temp_dir().join("kdn-fake-absent").join(path).display().to_string()
            });
        });
    }),
    defect("answers-relative-storage-with-internal", "INIT-07", |shim| {
        shim.on_error("initialize", |error, request, _| {
            let is_relative =
                request.params["storageDir"].as_str().is_some_and(|path| !path.starts_with('/'));
            if is_relative && error["code"] == json!(-32602) {
                set_kind(error, Internal);
            }
        });
    }),
    defect("invents-states-of-its-backend", "STAT-01", |shim| {
        shim.on_result("status", |result, _, _| set(result, "state", "degraded"));
    }),
    defect("starts-its-backend-for-its-status", "STAT-02", |shim| {
        shim.on_result("status", |_, _, wire| {
            straggle(wire, Straggler::default());
        });
    }),
    defect("gives-no-reason-for-its-absence", "STAT-03", |shim| {
        shim.on_result("status", |result, _, _| *result = json!({"state": "unavailable"}));
    }),
    defect("lists-agents-twice", "AGENT-01", |shim| {
        shim.on_result("listAgents", |result, _, _| {
            let agents = entries(result, "agents").map(|agent| agent.clone()).collect::<Vec<_>>();
            add(result, "agents", agents);
        });
    }),
    defect("lists-agents-without-a-name", "CAP-01", |shim| {
        shim.on_result("listAgents", |result, _, _| add(result, "agents", [json!({})]));
    }),
    defect("is-called-otherwise", "MAN-01", |shim| {
        shim.on_manifest(|manifest| edit(manifest, "type", |name| format!("{name}-ng")));
    }),
    defect("speaks-no-version", "MAN-02", |shim| {
        shim.on_manifest(|manifest| set(manifest, "protocolVersions", json!([])));
    }),
    defect("names-a-relative-sources-path", "MAN-03", |shim| {
        shim.on_manifest(|manifest| {
            edit(manifest, "workspaceSourcesPath", |path| path.trim_start_matches('/').into());
        });
    }),
    defect("climbs-to-the-home", "MAN-03", |shim| {
        shim.on_manifest(|manifest| edit(manifest, "workspaceHome", |path| format!("{path}/../home")));
    }),
    defect("leaves-out-the-paths-inside", "MAN-03", |shim| {
        shim.on_manifest(|manifest| {
            forget(manifest, "workspaceSourcesPath");
            forget(manifest, "workspaceHome");
        });
    }),
    defect("has-no-name", "MAN-04", |shim| shim.on_manifest(|manifest| set(manifest, "displayName", ""))),
    defect("has-no-version", "MAN-04", |shim| shim.on_manifest(|manifest| set(manifest, "version", ""))),
    defect("names-paths-without-isolation", "MAN-05", |shim| {
        shim.on_manifest(|manifest| {
            if manifest["isolated"] == json!(false) {
                set(manifest, "workspaceSourcesPath", "/workspace/sources");
                set(manifest, "workspaceHome", "/home/agent");
            }
        });
    }),
    defect("shutdown-stops-instances", "SHUT-01", |shim| {
        shim.on_request("shutdown", |frame, wire| {
            let (frame, is_open) = (frame.take(), !wire.manifest.is_null() && !wire.is_shut_down);
            if !is_open {
                wire.send(&frame);
                return Flow::Drop;
            }
            wire.stop_listed(&json!({}), move |wire| wire.send(&frame));
            Flow::Drop
        });
    }),
    defect("exits-before-it-answers-shutdown", "SHUT-02", |shim| {
        shim.on_answer("shutdown", |frame, _, wire| {
            let is_done = frame.get("result").is_some();
            if is_done {
                wire.die(0);
            }
            Flow::drop_if(is_done)
        });
    }),
    defect("declares-a-status-that-it-lacks", "CAP-01", |shim| {
        shim.refuse("status", MethodNotFound, |_, wire| {
            (!wire.manifest.is_null()).then_some("no such method")
        });
    }),
    defect("declares-a-dashboard-that-it-lacks", "CAP-01", |shim| {
        shim.refuse("dashboard", MethodNotFound, |_, wire| {
            (!wire.manifest.is_null()).then_some("no such method")
        });
    }),
    defect("refuses-unknown-versions", "VER-01", |shim| {
        shim.on_request("initialize", |frame, wire| {
            let versions = frame["params"]["protocolVersions"].as_array();
            let is_new = versions.is_some_and(|all| all.contains(&json!(1)) && all.len() > 1);
            if is_new {
                let mut response = failure(&frame["id"], VersionMismatch, "a version is not known");
                set(&mut response["error"]["data"], "supported", json!([1]));
                wire.running.remove(&frame["id"].to_string());
                wire.tell(&response);
            }
            Flow::drop_if(is_new)
        });
    }),
    defect("chooses-a-version-that-nobody-offered", "VER-02", |shim| {
        shim.on_result("initialize", |result, _, _| set(result, "protocolVersion", 2));
    }),
];

type Output = std::process::Output;

/// Changes the output of a start that exits with `status` by itself.
fn by_hand(shim: &mut Hooks, status: i32, change: fn(&mut Output)) {
    shim.by_hand(move |output| {
        if output.status.code() == Some(status) {
            change(output);
        }
    });
}

/// Changes the output of `--version`.
fn version(shim: &mut Hooks, change: fn(&mut Output)) {
    by_argument(shim, "--version", change);
}

/// Changes the output of `--help`.
fn help(shim: &mut Hooks, change: fn(&mut Output)) {
    by_argument(shim, "--help", change);
}

fn by_argument(shim: &mut Hooks, argument: &'static str, change: fn(&mut Output)) {
    shim.by_hand(move |output| {
        if std::env::args().any(|arg| arg == argument) {
            change(output);
        }
    });
}

fn exit(output: &mut Output, status: i32) {
    use std::os::unix::process::ExitStatusExt;
    output.status = std::process::ExitStatus::from_raw(status << 8);
}

fn need_backend(shim: &mut Hooks, method: &'static str) {
    shim.on_answer(method, |frame, _, _| {
        if !Wire::has_backend() {
            forget(frame, "result");
            set(frame, "error", error(Unavailable, "the backend is not there"));
            if let Some(data) = object(&mut frame["error"], "data") {
                data.insert("hints".into(), json!(["install a shell"]));
            }
        }
        Flow::Pass
    });
}

/// Makes the storage folder.
fn make(wire: &Wire) {
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(wire.storage());
}

pub(super) fn add_flag(result: &mut Value, name: &str, is_required: bool) {
    add(result, "flags", [json!({"name": name, "usage": "Say more", "required": is_required})]);
}

/// What drivers wrote down that have their storage folder beside this one.
pub(super) fn made_by_neighbours(wire: &Wire) -> Vec<Value> {
    let own = wire.memory();
    let folders = own.parent().and_then(|parent| fs::read_dir(parent).ok()).into_iter().flatten().flatten();
    let others = folders
        .map(|entry| entry.path())
        .filter(|path| *path != own && path.extension().is_some_and(|extension| extension == "defect"));
    let files = others.flat_map(|path| fs::read_dir(path).into_iter().flatten().flatten());
    let made = files.filter(|file| file.file_name().to_string_lossy().starts_with("made-"));
    made.filter_map(|file| serde_json::from_slice(&fs::read(file.path()).ok()?).ok()).collect()
}
