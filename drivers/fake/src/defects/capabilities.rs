//! Defects of the profiles of the other capabilities, and of what is gated by them.

use std::{collections::HashMap, net::TcpListener, path::Path};

use kdn_protocol::ErrorKind::{InvalidWorkspace, Unsupported};
use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{Flow, Hooks},
    json::{edit, entries, failure, forget, json, kind, list, retain, set, text},
    stage::cut_loopback,
    wire::{Wire, put, shared},
    workspace::copied,
};

pub(super) const TABLE: &[Defect] = &[
    // What is gated.
    defect("ignores-deny-that-it-lacks", "CAP-03", |shim| {
        ignore(shim, ["create", "start"], |params| {
            forget(params, "network").map(|_| set(params, "network", json!({})))
        });
    }),
    defect("start-ignores-deny-that-it-lacks", "CAP-03", |shim| {
        ignore(shim, ["start"], |params| {
            forget(params, "network").map(|_| set(params, "network", json!({})))
        });
    }),
    defect("ignores-ports-that-it-lacks", "CAP-03", |shim| ignore_field(shim, "ports", "ports")),
    defect("ignores-features-that-it-lacks", "CAP-03", |shim| ignore_field(shim, "features", "features")),
    defect("ignores-limits-that-it-lacks", "CAP-03", |shim| ignore_field(shim, "limits", "limits")),
    defect("ignores-secrets-that-it-lacks", "CAP-03", |shim| ignore_field(shim, "secrets", "secrets")),
    defect("ignores-mounts-that-it-lacks", "CAP-03", |shim| ignore_field(shim, "bindMounts", "mounts")),
    defect("ignores-secret-variables-that-it-lacks", "CAP-03", |shim| {
        shim.undeclare("secretEnvironment");
        shim.undeclare("runtimeSecrets");
        ignore(shim, ["create"], |params| {
            retain(params, "environment", |entry| entry.get("secret").is_none());
            Some(())
        });
    }),
    defect("ignores-other-transports", "CAP-03", |shim| {
        ignore(shim, ["create"], |params| {
            entries(params, "ports").for_each(|port| {
                forget(port, "protocol");
            });
            Some(())
        });
    }),
    defect("answers-unsupported-with-invalid-workspace", "CAP-03", |shim| {
        shim.mistake(["create", "start"], Unsupported, InvalidWorkspace);
    }),
    defect("makes-what-it-does-not-support", "CAP-04", |shim| {
        shim.on_answer("create", |frame, request, wire| {
            let is_refused = kind(&frame["error"]) == "unsupported";
            if is_refused {
                let (frame, mut workspace) = (frame.take(), request.params.clone());
                for field in ["network", "ports", "features", "limits", "secrets", "mounts", "environment"] {
                    forget(&mut workspace, field);
                }
                wire.ask("create", &workspace, move |wire, _| wire.tell(&frame));
            }
            Flow::drop_if(is_refused)
        });
    }),
    defect("does-not-say-what-is-unsupported", "CAP-05", |shim| {
        shim.on_error(["create", "start"], |error, _, _| {
            if kind(error) == "unsupported" {
                forget(&mut error["data"], "fieldPath");
            }
        });
    }),
    // Network policy.
    defect("start-ignores-network", "START-03", |shim| {
        let first = shared::<serde_json::Map<String, Value>>();
        let made = first.clone();
        shim.on_result("create", move |instance, request, _| {
            let network = request.params.get("network").cloned().unwrap_or_else(|| json!({}));
            made.borrow_mut().insert(text(instance, "id").into(), network);
        });
        shim.on_params("start", move |params, _| {
            let network = first.borrow().get(text(params, "id")).cloned().unwrap_or_else(|| json!({}));
            if params.get("network").is_some_and(Value::is_object) {
                set(params, "network", network);
            }
        });
    }),
    defect("keeps-the-first-network", "START-03", |shim| {
        shim.on_params("start", |params, wire| {
            let name = format!("network-{}", text(params, "id"));
            match wire.recall(&name) {
                Some(first) => set(params, "network", first),
                None if params["network"].is_object() => wire.remember(&name, &params["network"]),
                None => {}
            }
        });
    }),
    defect("denies-nothing", "CAP-08 START-03", |shim| {
        shim.on_params(["create", "start"], |params, _| {
            if params["network"]["mode"] == json!("deny") {
                set(params, "network", json!({"mode": "allow"}));
            }
        });
    }),
    defect("denies-allowed-hosts", "CAP-09", |shim| {
        shim.on_manifest(|manifest| {
            if let Some(policy) = manifest["capabilities"].get_mut("networkPolicy") {
                set(policy, "hosts", true);
            }
        });
        shim.on_params(["create", "start"], |params, _| {
            if let Some(network) = params.get_mut("network") {
                forget(network, "hosts");
            }
        });
    }),
    defect("denies-loopback", "CAP-10", |shim| {
        shim.on_result("start", |instance, request, _| {
            if request.params["network"]["mode"] == "deny" {
                cut_loopback(text(&instance["info"], "pid"));
            }
        });
    }),
    // Ports.
    defect("forwards-to-the-next-port", "CAP-11", |shim| {
        shim.on_params("create", |workspace, _| {
            entries(workspace, "ports").for_each(|port| shift(port, 1));
        });
        shim.on_instance(|instance, _| entries(instance, "forwards").for_each(|forward| shift(forward, -1)));
    }),
    defect("forwards-nothing", "CAP-11", |shim| {
        shim.on_result("create", |instance, _, wire| {
            wire.remember(&format!("forwards-{}", text(instance, "id")), &instance["forwards"]);
        });
        // What is told is right, but for the port of the host.
        shim.on_instance(|instance, wire| {
            let free = wire.recall("unused").unwrap_or_else(|| json!(unused_port()));
            wire.remember("unused", &free);
            entries(instance, "forwards").for_each(|forward| set(forward, "port", free.clone()));
        });
    }),
    defect("gives-a-port-twice", "CAP-12", |shim| {
        shim.on_params("create", |workspace, wire| {
            let free = wire.recall("twice").unwrap_or_else(|| json!(unused_port()));
            wire.remember("twice", &free);
            if let Some(port) = entries(workspace, "ports").next().filter(|port| port.get("host").is_none()) {
                set(port, "host", free);
            }
        });
    }),
    defect("keeps-ports-of-stopped-instances", "CAP-11", |shim| {
        let kept = shared::<HashMap<String, Vec<TcpListener>>>();
        let freed = kept.clone();
        shim.on_result("stop", move |instance, request, _| {
            let ports = entries(instance, "forwards").filter_map(|forward| forward["port"].as_u64());
            let ports = ports.filter_map(|port| u16::try_from(port).ok());
            let listeners = ports.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).collect();
            kept.borrow_mut().insert(request.instance().into(), listeners);
        });
        shim.on_params(["start", "remove"], move |params, _| {
            freed.borrow_mut().remove(text(params, "id"));
        });
    }),
    // Features.
    defect("skips-features", "CAP-13", |shim| {
        shim.on_params("create", |workspace, _| drop(forget(workspace, "features")));
    }),
    defect("installs-features-backwards", "CAP-13", |shim| {
        shim.on_params("create", |workspace, _| {
            if let Some(Value::Array(features)) = workspace.get_mut("features") {
                features.reverse();
            }
        });
    }),
    defect("installs-features-without-options", "CAP-13", |shim| {
        shim.on_params("create", |workspace, _| {
            entries(workspace, "features").for_each(|feature| {
                forget(feature, "options");
            });
        });
    }),
    defect("forgets-the-variables-of-features", "CAP-14", |shim| {
        shim.on_params("create", |workspace, _| {
            entries(workspace, "features").for_each(|feature| {
                forget(feature, "containerEnv");
            });
        });
    }),
    defect("sets-the-variables-of-features-unexpanded", "CAP-14", |shim| {
        shim.on_params("create", |workspace, _| {
            for feature in entries(workspace, "features") {
                let variables = feature.get_mut("containerEnv").and_then(Value::as_object_mut);
                for value in variables.into_iter().flat_map(serde_json::Map::values_mut) {
                    *value = json!(value.as_str().unwrap_or_default().replace("${", "$_{"));
                }
            }
        });
    }),
    // Limits.
    defect("does-not-limit-memory", "CAP-15", |shim| lift(shim, "memoryBytes")),
    defect("does-not-limit-processors", "CAP-15", |shim| lift(shim, "cpus")),
    defect("does-not-limit-processes", "CAP-15", |shim| lift(shim, "pids")),
    // Secrets in requests.
    defect("sets-no-header", "CAP-16", |shim| {
        edit_secrets(shim, |secret| edit(secret, "header", |name| format!("X-{name}")));
    }),
    defect("ignores-the-template-of-the-header", "CAP-16", |shim| {
        edit_secrets(shim, |secret| drop(forget(secret, "headerTemplate")));
    }),
    defect("sets-headers-of-other-paths", "CAP-17", |shim| {
        edit_secrets(shim, |secret| drop(forget(secret, "path")));
    }),
    defect("sets-headers-of-other-hosts", "CAP-17", |shim| {
        shim.on_params("create", |workspace, _| {
            let mut all: Vec<Value> = Vec::new();
            for secret in entries(workspace, "secrets") {
                all.extend(list(secret, "hosts").into_iter().flatten().map(|host| host.clone()));
            }
            all.extend(["localhost", "127.0.0.1", "*.localhost"].map(Value::from));
            entries(workspace, "secrets").for_each(|secret| set(secret, "hosts", all.clone()));
        });
    }),
    defect("sets-no-placeholders", "CAP-18", |shim| {
        edit_secrets(shim, |secret| drop(forget(secret, "envNames")));
    }),
    // Secrets as variables.
    defect("sets-secret-variables-empty", "CAP-19", |shim| {
        shim.on_params("start", |params, _| change_secrets(params, |_| String::new()));
    }),
    defect("keeps-the-first-values-of-secrets", "CAP-19", |shim| {
        let first = shared::<serde_json::Map<String, Value>>();
        shim.on_params("start", move |params, _| {
            let id = text(params, "id").to_owned();
            if let Some(values) = params.get("secretValues").cloned() {
                let values = first.borrow_mut().entry(id).or_insert(values).clone();
                set(params, "secretValues", values);
            }
        });
    }),
    defect("prefers-its-own-store", "CAP-20", |shim| {
        shim.on_params("start", |params, _| change_secrets(params, |_| "from the store".into()));
    }),
    defect("knows-no-store", "CAP-20", |shim| {
        shim.on_result("create", |instance, request, wire| {
            let variables = request.params["environment"].as_array().into_iter().flatten();
            let names: Vec<_> = variables.filter_map(|variable| variable.get("secret")).collect();
            wire.remember(&format!("needs-{}", text(instance, "id")), &json!(names));
        });
        shim.on_request("start", |frame, wire| {
            let params = &frame["params"];
            let needed = wire.recall(&format!("needs-{}", text(params, "id"))).unwrap_or_default();
            let mut needed = needed.as_array().into_iter().flatten().filter_map(Value::as_str);
            let missing = needed.find(|name| params["secretValues"].get(name).is_none());
            if let Some(name) = missing {
                let mut response = failure(&frame["id"], InvalidWorkspace, "a secret has no value");
                set(&mut response["error"]["data"], "fieldPath", format!("secretValues.{name}"));
                wire.running.remove(&frame["id"].to_string());
                wire.tell(&response);
            }
            Flow::drop_if(missing.is_some())
        });
    }),
    // Mounts.
    defect("mounts-copies", "CAP-21", |shim| {
        shim.on_params("create", |workspace, wire: &mut Wire| {
            for (i, mount) in entries(workspace, "mounts").enumerate() {
                let copy = wire.memory().join(format!("mount-{i}"));
                edit(mount, "host", |host| copied(Path::new(host), &copy));
            }
        });
    }),
    defect("mounts-nothing", "CAP-21", |shim| {
        shim.on_params("create", |workspace, _| drop(forget(workspace, "mounts")));
    }),
    defect("remove-writes-to-the-mounts", "REMOVE-04", |shim| {
        shim.on_result("create", |instance, request, wire| {
            wire.remember(&format!("mounts-{}", text(instance, "id")), &request.params["mounts"]);
        });
        shim.on_result("remove", |_, request, wire| {
            let mut mounts = wire.recall(&format!("mounts-{}", request.instance())).unwrap_or_default();
            for mount in mounts.as_array_mut().into_iter().flatten() {
                put(&Path::new(text(mount, "host")).join(".kdn-removed"), "");
            }
        });
    }),
    defect("lets-read-only-mounts-be-written", "CAP-22", |shim| {
        shim.on_params("create", |workspace, _| {
            entries(workspace, "mounts").for_each(|mount| set(mount, "readOnly", false));
        });
    }),
];

/// Does without what the driver answers `unsupported` to.
fn ignore<const N: usize>(shim: &mut Hooks, methods: [&'static str; N], drop: fn(&mut Value) -> Option<()>) {
    shim.forgive(methods, move |params, error| {
        let before = params.clone();
        if kind(error) == "unsupported" {
            drop(params);
        }
        *params != before
    });
}

fn ignore_field(shim: &mut Hooks, capability: &'static str, field: &'static str) {
    shim.undeclare(capability);
    shim.forgive("create", move |params, error| {
        kind(error) == "unsupported" && forget(params, field).is_some()
    });
}

/// Moves the port inside.
fn shift(port: &mut Value, by: i64) {
    if let Some(target) = port["target"].as_i64().filter(|target| (1..65535).contains(target)) {
        set(port, "target", target + by);
    }
}

/// A port of the host that nobody listens at.
fn unused_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0");
    listener.and_then(|listener| listener.local_addr()).map_or(9, |address| address.port())
}

/// Accepts a limit, and does not apply it.
fn lift(shim: &mut Hooks, limit: &'static str) {
    shim.on_params("create", move |workspace, wire| {
        let name = limit.trim_end_matches("Bytes");
        let is_offered = wire.manifest["capabilities"]["limits"][name] == json!(true);
        if let Some(limits) =
            workspace.get_mut("limits").filter(|limits| is_offered && is_positive(&limits[limit]))
        {
            forget(limits, limit);
        }
    });
}

fn is_positive(limit: &Value) -> bool {
    limit.as_f64().is_some_and(|limit| limit > 0.0)
}

fn edit_secrets(shim: &mut Hooks, change: fn(&mut Value)) {
    shim.on_params("create", move |workspace, _| entries(workspace, "secrets").for_each(change));
}

fn change_secrets(params: &mut Value, change: fn(&str) -> String) {
    let values = params.get_mut("secretValues").and_then(Value::as_object_mut);
    for value in values.into_iter().flat_map(serde_json::Map::values_mut) {
        if let Some(changed) = value.as_str().map(change) {
            *value = changed.into();
        }
    }
}
