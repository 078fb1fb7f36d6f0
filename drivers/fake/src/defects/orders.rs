//! Defects of profiles `lifecycle` and `robustness` that show in some orders of calls only, or in odd workspaces.

use std::path::Path;

use kdn_protocol::ErrorKind::{AlreadyExists, Internal};
use serde_json::{Value, json};

use super::{
    Defect,
    core::made_by_neighbours,
    defect,
    hooks::{CHANGES, Flow, Hooks},
    json::{edit, entries, forget, kind, set, succeed, text},
    lifecycle::{is_alive, of_instance, remember_environment, straggle},
    wire::{Wire, put},
};

pub(super) const TABLE: &[Defect] = &[
    defect("remembers-failed-creates", "CREATE-02", |shim| {
        shim.on_error("create", |error, request, wire| {
            if kind(error) == "invalid_workspace" {
                wire.remember(&format!("failed-{}", text(&request.params, "workspaceId")), &json!(true));
            }
        });
        shim.refuse("create", AlreadyExists, |workspace, wire| {
            let name = format!("failed-{}", text(workspace, "workspaceId"));
            (!wire.manifest.is_null() && wire.recall(&name).is_some()).then_some("it was tried before")
        });
    }),
    defect("tidies-paths-of-files", "CREATE-07", |shim| {
        mend_files(shim, |file| {
            edit(file, "path", |path| {
                let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
                let tidy = parts.collect::<Vec<_>>().join("/");
                if tidy.is_empty() { "unnamed".into() } else { tidy }
            });
        });
    }),
    defect("takes-folders-for-files", "CREATE-07", |shim| {
        mend_files(shim, |file| {
            if Path::new(text(file, "source")).is_dir() {
                forget(file, "source");
                set(file, "contentBase64", "");
            }
        });
    }),
    defect("keeps-names-of-removed-instances", "REMOVE-03 IDEM-02", |shim| {
        shim.on_result("create", |instance, _, wire| {
            wire.remember(&format!("named-{}", text(instance, "id")), &json!(instance["name"]));
        });
        shim.on_result("remove", |_, request, wire| {
            if let Some(name) = wire.recall(&format!("named-{}", request.instance())) {
                wire.remember(&format!("kept-{}", name.as_str().unwrap_or_default()), &json!(true));
            }
        });
        shim.refuse("create", AlreadyExists, |workspace, wire| {
            let name = text(workspace, "name");
            let is_kept = !wire.manifest.is_null() && !name.contains('/');
            (is_kept && wire.recall(&format!("kept-{name}")).is_some()).then_some("the name was taken once")
        });
    }),
    defect("writes-through-links-of-the-agent", "WORK-08", |shim| {
        shim.on_answer("create", |_, request, _| {
            let lines = request.params["agent"]["install"].as_array().into_iter().flatten();
            let link = lines.filter_map(Value::as_str).find_map(|line| line.strip_prefix("ln -s '"));
            if let Some((target, _)) = link.and_then(|rest| rest.split_once('\'')) {
                put(&Path::new(target).join("canary"), "through a link");
            }
            Flow::Pass
        });
    }),
    defect("installs-with-its-environment", "LIFE-20", |shim| {
        shim.on_params("create", |workspace, _| {
            let value = super::variable("KDN_CHECK_FOREIGN").unwrap_or_default();
            let exports = format!("export KDN_CHECK_FOREIGN='{}'; ", value.to_string_lossy());
            if let Some(agent) = workspace.get_mut("agent") {
                let lines =
                    entries(agent, "install").map(|line| json!(format!("{exports}{}", text_of(line))));
                let lines: Vec<_> = lines.collect();
                if !lines.is_empty() {
                    set(agent, "install", lines);
                }
            }
        });
    }),
    defect("stumbles-over-overlapping-changes", "CONC-03", |shim| {
        shim.watch(CHANGES);
        shim.on_request(["start", "stop"], |frame, wire| {
            let instance = &frame["params"]["id"];
            let is_busy = wire.running.values().any(|request| {
                request.is_change() && request.id != frame["id"] && request.params["id"] == *instance
            });
            if is_busy {
                wire.refuse(&frame["id"], Internal, "the state has changed");
            }
            Flow::drop_if(is_busy)
        });
    }),
    defect("lists-nothing-while-others-work", "CONC-06", |shim| {
        shim.on_request(CHANGES, |_, wire| {
            if !wire.manifest.is_null() {
                wire.remember("at-work", &json!(std::process::id()));
            }
            Flow::Pass
        });
        shim.on_answer(CHANGES, |_, _, wire| {
            if !wire.manifest.is_null() {
                wire.remember("at-work", &Value::Null);
            }
            Flow::Pass
        });
        shim.on_result("list", |result, _, wire| {
            if wire.recall("at-work").is_some_and(|pid| is_alive(&pid)) {
                set(result, "instances", json!([]));
            }
        });
    }),
    defect("stops-instances-of-its-neighbours", "LIFE-16", |shim| {
        shim.on_result("create", |instance, _, wire| {
            wire.remember(&format!("made-{}", text(instance, "id")), instance);
        });
        shim.on_answer("stop", |frame, request, wire| {
            let mut others = made_by_neighbours(wire).into_iter();
            let other = others.find(|instance| instance["id"] == request.params["id"]);
            if let Some(instance) = other.filter(|_| kind(&frame["error"]) == "instance_not_found") {
                succeed(frame, instance);
            }
            Flow::Pass
        });
    }),
    defect("leaves-half-a-removal-at-the-end", "LIFE-24", |shim| {
        shim.on_result("create", |instance, request, wire| {
            wire.remember(&format!("workspace-{}", text(instance, "id")), &request.params);
        });
        shim.watch("remove");
        shim.on_end(|wire| {
            let removed = wire.running.values().find(|request| request.method == "remove");
            let workspace = removed.and_then(|request| workspace_of(request.instance(), wire));
            if let Some(workspace) = workspace {
                wire.leave_traces(&workspace);
                wire.die(0);
            }
            Flow::Pass
        });
    }),
    defect("leaves-half-a-stop-at-the-end", "LIFE-24", |shim| {
        remember_environment(shim);
        shim.watch("stop");
        shim.on_end(|wire| {
            for request in wire.running.values().filter(|request| request.method == "stop") {
                straggle(wire, of_instance(wire, request.instance()));
                wire.remember(&format!("half-{}", request.instance()), &json!(true));
            }
            Flow::Pass
        });
        shim.on_instance(|instance, wire| {
            if wire.recall(&format!("half-{}", text(instance, "id"))).is_some() {
                set(instance, "state", "stopped");
            }
        });
    }),
];

fn text_of(line: &Value) -> &str {
    line.as_str().unwrap_or_default()
}

fn workspace_of(instance: &str, wire: &Wire) -> Option<Value> {
    wire.recall(&format!("workspace-{instance}"))
}

/// Mends the files of a workspace that was refused.
fn mend_files(shim: &mut Hooks, mend: fn(&mut Value)) {
    shim.forgive("create", move |workspace, error| {
        let before = workspace.clone();
        if matches!(kind(error), "invalid_workspace" | "invalid_params") {
            entries(workspace, "files").for_each(mend);
        }
        *workspace != before
    });
}
