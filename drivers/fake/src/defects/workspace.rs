//! Defects of profile `lifecycle`: what `create` refuses, and what it makes of a workspace.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
};

use kdn_protocol::ErrorKind::{AlreadyExists, Internal, InvalidWorkspace, Unavailable};
use serde_json::Value;

use super::{
    Defect,
    core::add_flag,
    defect,
    hooks::{Flow, Hooks},
    json::{drop_twins, edit, entries, forget, json, kind, list, retain, set, set_kind, text},
    wire::put,
};

pub(super) const TABLE: &[Defect] = &[
    // What `create` refuses.
    defect("accepts-any-agent", "AGENT-02", |shim| {
        forgive(shim, "agent", |workspace| {
            set(workspace, "agent", json!({"name": "shell", "command": ["sh"]}));
        });
    }),
    defect("blames-agents-as-a-whole", "AGENT-02", |shim| shim.blame("create", "agent.name", Some("agent"))),
    defect("accepts-odd-workspace-ids", "CREATE-03", |shim| {
        forgive(shim, "workspaceId", |workspace| {
            edit(workspace, "workspaceId", |id| {
                let digits = id.to_lowercase().replace(|c: char| !c.is_ascii_hexdigit(), "0");
                format!("{digits:0<64.64}")
            });
        });
    }),
    defect("accepts-odd-names", "CREATE-03", |shim| {
        forgive(shim, "name", |workspace| set(workspace, "name", "odd"));
    }),
    defect("does-not-say-which-name", "CREATE-03", |shim| {
        shim.blame("create", "name", None);
        shim.blame("create", "workspaceId", None);
    }),
    defect("answers-odd-names-with-internal", "CREATE-03", |shim| {
        shim.on_error("create", |error, _, _| {
            if error["data"]["fieldPath"] == json!("name") && kind(error) == "invalid_workspace" {
                set_kind(error, Internal);
            }
        });
    }),
    defect("accepts-relative-sources", "CREATE-04", |shim| {
        let home = || std::env::temp_dir().display().to_string();
        forgive_if(
            shim,
            "sourcePath",
            |workspace| !text(workspace, "sourcePath").starts_with('/'),
            move |workspace| {
                set(workspace, "sourcePath", home());
            },
        );
    }),
    defect("accepts-absent-sources", "CREATE-04", |shim| {
        let home = || std::env::temp_dir().display().to_string();
        forgive_if(
            shim,
            "sourcePath",
            |workspace| text(workspace, "sourcePath").starts_with('/'),
            move |workspace| {
                set(workspace, "sourcePath", home());
            },
        );
    }),
    defect("accepts-climbing-files", "CREATE-04", |shim| {
        forgive(shim, "files", |workspace| {
            retain(workspace, "files", |file| !text(file, "path").contains(".."));
        });
    }),
    defect("accepts-absolute-files", "CREATE-04", |shim| {
        forgive(shim, "files", |workspace| {
            entries(workspace, "files")
                .for_each(|file| edit(file, "path", |path| path.trim_start_matches('/').into()));
        });
    }),
    defect("accepts-absent-files", "CREATE-04", |shim| {
        forgive(shim, "files", |workspace| {
            retain(workspace, "files", |file| {
                file.get("source").is_none_or(|path| path.as_str().is_some_and(is_there))
            });
        });
    }),
    defect("accepts-any-mount", "CREATE-04", |shim| {
        forgive(shim, "mounts", |workspace| {
            retain(workspace, "mounts", |mount| {
                let target = text(mount, "target");
                target.starts_with('/') && !target.contains("..") && is_there(text(mount, "host"))
            });
        });
    }),
    defect("accepts-absent-features", "CREATE-04", |shim| {
        forgive(shim, "features", |workspace| {
            retain(workspace, "features", |feature| is_there(text(feature, "directory")));
        });
    }),
    defect("does-not-say-which-path", "CREATE-04", |shim| {
        for field in ["sourcePath", "files", "mounts", "features"] {
            shim.blame("create", field, None);
        }
    }),
    defect("accepts-two-alternatives", "CREATE-05", |shim| {
        forgive_any(shim, |workspace| {
            entries(workspace, "environment").filter(|entry| entry.get("value").is_some()).for_each(
                |entry| {
                    forget(entry, "secret");
                },
            );
            entries(workspace, "files").filter(|entry| entry.get("contentBase64").is_some()).for_each(
                |entry| {
                    forget(entry, "source");
                },
            );
        });
    }),
    defect("accepts-no-alternative", "CREATE-05", |shim| {
        forgive_any(shim, |workspace| {
            for entry in entries(workspace, "environment") {
                if entry.get("value").or_else(|| entry.get("secret")).is_none() {
                    set(entry, "value", "");
                }
            }
            for entry in entries(workspace, "files") {
                if entry.get("contentBase64").or_else(|| entry.get("source")).is_none() {
                    set(entry, "contentBase64", "");
                }
            }
        });
    }),
    defect("accepts-any-port", "CREATE-06", |shim| {
        forgive_any(shim, |workspace| {
            retain(workspace, "ports", |port| {
                let is_port =
                    |name| port.get(name).is_none_or(|port| matches!(port.as_u64(), Some(1..=65535)));
                is_port("target") && is_port("host")
            });
        });
    }),
    defect("accepts-any-mode", "CREATE-06", |shim| {
        forgive_any(shim, |workspace| {
            for file in entries(workspace, "files") {
                if file.get("mode").is_some_and(|mode| !matches!(mode.as_u64(), Some(0..=511))) {
                    set(file, "mode", file["mode"].as_u64().unwrap_or_default() & 0o777);
                }
            }
        });
    }),
    defect("accepts-any-limit", "CREATE-06", |shim| {
        forgive_any(shim, |workspace| {
            if let Some(limits) = workspace.get_mut("limits").and_then(Value::as_object_mut) {
                limits.retain(|_, limit| limit.as_f64().is_some_and(|limit| limit > 0.0));
            }
        });
    }),
    defect("accepts-twins", "CREATE-07", |shim| {
        forgive_any(shim, |workspace| {
            let lists = [
                ("environment", "name"),
                ("mounts", "target"),
                ("ports", "target"),
                ("secrets", "name"),
                ("files", "path"),
            ];
            for (list, member) in lists {
                drop_twins(workspace, list, member);
            }
        });
    }),
    defect("accepts-variables-without-a-name", "CREATE-07", |shim| {
        forgive_any(shim, |workspace| {
            retain(workspace, "environment", |entry| {
                let name = text(entry, "name");
                !name.is_empty() && !name.contains('=')
            });
        });
    }),
    defect("accepts-any-content", "CREATE-07", |shim| {
        forgive(shim, "files", |workspace| {
            entries(workspace, "files").for_each(|file| edit(file, "contentBase64", |_| String::new()));
        });
    }),
    defect("ignores-unknown-options", "CREATE-08", |shim| {
        shim.forgive("create", |workspace, error| {
            let field = text(&error["data"], "fieldPath").to_owned();
            field
                .strip_prefix("options.")
                .is_some_and(|name| forget(&mut workspace["options"], name).is_some())
        });
    }),
    defect("blames-options-as-a-whole", "CREATE-08", |shim| {
        shim.blame("create", "options.", Some("options"));
    }),
    defect("forgets-that-a-flag-is-required", "CREATE-09", |shim| {
        shim.on_result("flags", |result, _, _| add_flag(result, "fake-ticket", true));
        shim.on_params("create", |workspace, _| {
            if let Some(options) = workspace.get_mut("options") {
                forget(options, "fake-ticket");
            }
        });
    }),
    defect("blames-all-options-for-a-missing-flag", "CREATE-09", |shim| {
        shim.on_result("flags", |result, _, _| add_flag(result, "fake-ticket", true));
        shim.on_request("create", |frame, wire| {
            let workspace = &mut frame["params"];
            let is_missing =
                workspace.get_mut("options").and_then(|options| forget(options, "fake-ticket")).is_none();
            if is_missing {
                wire.refuse(&frame["id"], InvalidWorkspace, "the option fake-ticket is missing");
            }
            Flow::drop_if(is_missing)
        });
    }),
    defect("takes-unknown-network-modes-for-allow", "WORK-09", |shim| {
        shim.on_params(["create", "start"], |params, _| {
            let mode = params["network"]["mode"].as_str().unwrap_or("allow");
            if !matches!(mode, "allow" | "deny") {
                set(params, "network", json!({}));
            }
        });
    }),
    // What becomes of it.
    defect("starts-what-it-makes", "CREATE-01", |shim| {
        shim.on_result("create", |instance, _, _| set(instance, "state", "running"));
    }),
    defect("leaves-files-of-a-failed-create", "CREATE-02", |shim| {
        shim.on_error("create", |error, request, wire| {
            if !matches!(kind(error), "cancelled" | "unsupported" | "not_initialized") {
                wire.leave_traces(&request.params);
            }
        });
    }),
    defect("lists-failed-creates", "CREATE-02 LIST-01", |shim| {
        shim.on_error("create", |error, request, wire| {
            if !matches!(kind(error), "already_exists" | "not_initialized" | "cancelled") {
                let name = text(&request.params, "name");
                let ghost = json!({
                    "id": "unfinished",
                    "workspaceId": text(&request.params, "workspaceId"),
                    "name": name,
                    "state": "error",
                    "reason": "it was not finished",
                });
                wire.remember("ghost", &ghost);
            }
        });
        shim.on_result("list", |result, _, wire| {
            if let (Some(ghost), Some(instances)) = (wire.recall("ghost"), list(result, "instances")) {
                instances.push(ghost);
            }
        });
    }),
    defect("mounts-a-copy-of-the-sources", "WORK-02", |shim| {
        shim.on_params("create", |workspace, wire| {
            let copy = wire.memory().join(format!("copy-{}", text(workspace, "name")));
            edit(workspace, "sourcePath", |path| copied(Path::new(path), &copy));
        });
    }),
    defect("shows-an-empty-folder-for-the-sources", "WORK-01", |shim| {
        shim.on_params("create", |workspace, wire| {
            let empty = wire.memory().join(format!("empty-{}", text(workspace, "name")));
            let _ = fs::create_dir_all(&empty);
            if text(workspace, "sourcePath").starts_with('/') && is_there(text(workspace, "sourcePath")) {
                set(workspace, "sourcePath", empty.display().to_string());
            }
        });
    }),
    defect("makes-files-of-another-owner", "WORK-03", |shim| {
        shim.on_params("create", |workspace, wire| {
            wire.remember("sources", &workspace["sourcePath"]);
        });
        shim.on_answer("stop", |_, _, wire| {
            let sources = wire.recall("sources").and_then(|path| path.as_str().map(PathBuf::from));
            for file in
                sources.into_iter().flat_map(|path| fs::read_dir(path).into_iter().flatten().flatten())
            {
                let _ = chown(file.path(), Some(12345), Some(12345));
            }
            Flow::Pass
        });
    }),
    defect("forgets-the-environment", "WORK-04", |shim| {
        shim.on_params("create", |workspace, _| {
            retain(workspace, "environment", |entry| entry.get("secret").is_some());
        });
    }),
    defect("forgets-empty-variables", "WORK-04", |shim| {
        shim.on_params("create", |workspace, _| {
            retain(workspace, "environment", |entry| entry.get("value") != Some(&json!("")));
        });
    }),
    defect("lives-in-the-root", "WORK-05", |shim| shim.inside("HOME=/; export HOME; exec \"$@\"")),
    defect("has-no-home", "WORK-05", |shim| shim.inside("unset HOME; exec \"$@\"")),
    defect("forgets-files", "WORK-06", |shim| {
        shim.on_params("create", |workspace, _| retain(workspace, "files", |file| !is_harmless(file)));
    }),
    defect("writes-empty-files", "WORK-06", |shim| {
        edit_files(shim, |file| edit(file, "contentBase64", |_| String::new()));
    }),
    defect("forgets-the-executable-bit", "WORK-06", |shim| change_modes(shim, |mode| mode & !0o111)),
    defect("makes-all-files-alike", "WORK-06", |shim| {
        edit_files(shim, |file| {
            forget(file, "mode");
        });
    }),
    defect("makes-files-for-everyone", "WORK-06", |shim| change_modes(shim, |mode| mode | 0o044)),
    defect("flattens-folders", "WORK-06", |shim| {
        edit_files(shim, |file| {
            edit(file, "path", |path| path.rsplit('/').next().unwrap_or_default().into());
        });
    }),
    defect("makes-files-unreadable", "WORK-06 WORK-07", |shim| change_modes(shim, |mode| mode & !0o444)),
    defect("writes-through-links", "WORK-08", |shim| {
        shim.on_params("create", |workspace, wire| {
            let home = text(&wire.manifest, "workspaceHome").to_owned();
            let files = workspace["files"].as_array().cloned().unwrap_or_default();
            for mount in entries(workspace, "mounts") {
                let Some(inside) = text(mount, "target").strip_prefix(&format!("{home}/")) else { continue };
                for file in files.iter().map(|file| text(file, "path")).filter(|path| !path.contains("..")) {
                    if let Some(rest) = file.strip_prefix(&format!("{inside}/")) {
                        put(&Path::new(text(mount, "host")).join(rest), "through a link");
                    }
                }
            }
        });
    }),
    defect("looks-at-files-again", "WORK-10", |shim| {
        shim.on_result("create", |instance, request, wire| {
            let files = request.params["files"].as_array().into_iter().flatten();
            let features = request.params["features"].as_array().into_iter().flatten();
            let paths: Vec<_> = files
                .filter_map(|file| file.get("source"))
                .chain(features.filter_map(|feature| feature.get("directory")))
                .collect();
            wire.remember(&format!("paths-{}", text(instance, "id")), &json!(paths));
        });
        shim.on_request("start", |frame, wire| {
            let paths = wire.recall(&format!("paths-{}", text(&frame["params"], "id"))).unwrap_or_default();
            let is_gone =
                paths.as_array().into_iter().flatten().any(|path| !path.as_str().is_some_and(is_there));
            if is_gone {
                wire.refuse(&frame["id"], Unavailable, "a file of the host is gone");
            }
            Flow::drop_if(is_gone)
        });
    }),
    defect("lives-in-the-users-home", "WORK-17 WORK-05", |shim| {
        shim.prefix(|_, _| {
            let home = super::variable("HOME").unwrap_or_default();
            vec!["/usr/bin/env".into(), format!("HOME={}", home.to_string_lossy())]
        });
    }),
    defect("shares-one-home", "WORK-17", |shim| {
        shim.prefix(|_, wire| {
            let home = wire.memory().join("home");
            let _ = fs::create_dir_all(&home);
            vec!["/usr/bin/env".into(), format!("HOME={}", home.display())]
        });
    }),
    // What instances are called.
    defect("gives-odd-ids", "INST-01", |shim| {
        rename(shim, |id| format!("_{id}"), |id| id.strip_prefix('_').unwrap_or(id).into());
    }),
    defect("gives-long-ids", "INST-01", |shim| {
        let tail = "x".repeat(128);
        let cut = tail.clone();
        rename(shim, move |id| format!("{id}{tail}"), move |id| id.strip_suffix(&cut).unwrap_or(id).into());
    }),
    defect("changes-ids-at-start", "INST-02", |shim| {
        shim.on_result("start", |instance, _, _| edit(instance, "id", |id| format!("{id}.1")));
        shim.on_params(["start", "stop", "remove", "info", "terminal"], |params, _| {
            edit(params, "id", |id| id.strip_suffix(".1").unwrap_or(id).into());
        });
    }),
    defect("changes-names-at-start", "INST-02", |shim| {
        shim.on_result("start", |instance, _, _| edit(instance, "name", |name| format!("{name}-running")));
    }),
    defect("forgets-the-workspace-at-stop", "INST-02", |shim| {
        shim.on_result("stop", |instance, _, _| edit(instance, "workspaceId", |_| "0".repeat(64)));
    }),
    defect("drops-forwards-at-stop", "INST-02", |shim| {
        shim.on_result("stop", |instance, _, _| set(instance, "forwards", json!([])));
    }),
    defect("shortens-workspace-ids", "INST-03", |shim| {
        shim.on_instance(|instance, _| edit(instance, "workspaceId", |id| id.chars().take(12).collect()));
    }),
    defect("prefixes-names", "INST-03", |shim| {
        shim.on_instance(|instance, _| edit(instance, "name", |name| format!("kdn-{name}")));
    }),
    defect("invents-states", "INST-04", |shim| {
        shim.on_result(["create", "info"], |instance, _, _| {
            edit(instance, "state", |state| if state == "stopped" { "created".into() } else { state.into() });
        });
    }),
    defect("reuses-ids", "INST-05", |shim| {
        shim.on_request("remove", |frame, wire| {
            wire.remember("free", &frame["params"]["id"]);
            Flow::Pass
        });
        shim.on_result("create", |instance, _, wire| {
            if let Some(free) = wire.recall("free") {
                wire.remember("alias", &json!([free, instance["id"]]));
                set(instance, "id", free);
            }
        });
        shim.on_params(["start", "stop", "remove", "info", "terminal"], |params, wire| {
            if let Some(alias) = wire.recall("alias").filter(|alias| alias[0] == params["id"]) {
                set(params, "id", alias[1].clone());
            }
        });
    }),
    defect("gives-no-reason", "INST-06", |shim| {
        shim.on_instance(|instance, _| {
            if matches!(text(instance, "state"), "error" | "unknown") {
                forget(instance, "reason");
            }
        });
    }),
    defect("lists-no-forwards", "INST-07", |shim| {
        shim.on_instance(|instance, _| drop(forget(instance, "forwards")));
    }),
    defect("binds-forwards-to-everything", "INST-07", |shim| {
        shim.on_instance(|instance, _| {
            entries(instance, "forwards").for_each(|forward| set(forward, "bind", "0.0.0.0"));
        });
    }),
    defect("chooses-ports-that-were-given", "INST-07", |shim| {
        shim.on_params("create", |workspace, _| {
            entries(workspace, "ports").for_each(|port| {
                forget(port, "host");
            });
        });
    }),
    // What is asked for again.
    defect("makes-known-workspaces-anew", "IDEM-01", |shim| {
        shim.on_result("create", |instance, request, wire| {
            let name = format!("workspace-{}", text(&request.params, "workspaceId"));
            if wire.recall(&name).as_ref() == Some(&instance["id"]) {
                edit(instance, "id", |id| format!("{id}.again"));
            } else {
                wire.remember(&name, &instance["id"]);
            }
        });
    }),
    defect("refuses-known-workspaces", "IDEM-01", |shim| {
        shim.on_answer("create", |frame, request, wire| {
            let name = format!("workspace-{}", text(&request.params, "workspaceId"));
            let id = frame["result"]["id"].clone();
            if !id.is_null() && wire.recall(&name).as_ref() == Some(&id) {
                forget(frame, "result");
                set(frame, "error", super::json::error(AlreadyExists, "the workspace is there already"));
            } else if !id.is_null() {
                wire.remember(&name, &id);
            }
            Flow::Pass
        });
    }),
    defect("stops-known-workspaces", "IDEM-01", |shim| {
        shim.on_request("create", |frame, wire| {
            let workspaces = json!({"workspaceIds": [frame["params"]["workspaceId"]]});
            let frame = frame.take();
            if wire.manifest.is_null() || wire.is_shut_down {
                wire.send(&frame);
                return Flow::Drop;
            }
            wire.stop_listed(&workspaces, move |wire| wire.send(&frame));
            Flow::Drop
        });
    }),
    defect("shares-names", "IDEM-02", |shim| {
        shim.forgive("create", |workspace, error| {
            let is_taken = kind(error) == "already_exists";
            if is_taken {
                edit(workspace, "name", |name| format!("{name}-2"));
            }
            is_taken
        });
    }),
    defect("answers-taken-names-with-invalid-workspace", "IDEM-02", |shim| {
        shim.mistake("create", AlreadyExists, InvalidWorkspace);
    }),
];

fn is_there(path: &str) -> bool {
    Path::new(path).exists()
}

/// Mends a workspace that was refused because of a field.
fn forgive(shim: &mut Hooks, field: &'static str, mend: impl Fn(&mut Value) + 'static) {
    forgive_if(shim, field, |_| true, mend);
}

fn forgive_if(
    shim: &mut Hooks,
    field: &'static str,
    condition: impl Fn(&Value) -> bool + 'static,
    mend: impl Fn(&mut Value) + 'static,
) {
    shim.forgive("create", move |workspace, error| {
        let is_it = text(&error["data"], "fieldPath").starts_with(field) && condition(workspace);
        let before = workspace.clone();
        if is_it {
            mend(workspace);
        }
        *workspace != before
    });
}

/// Mends a workspace that was refused for whatever reason.
fn forgive_any(shim: &mut Hooks, mend: impl Fn(&mut Value) + 'static) {
    shim.forgive("create", move |workspace, error| {
        let before = workspace.clone();
        if matches!(kind(error), "invalid_workspace" | "invalid_params") {
            mend(workspace);
        }
        *workspace != before
    });
}

/// Whether a file can be meddled with: one that is wrong is refused as it is.
fn is_harmless(file: &Value) -> bool {
    let path = text(file, "path");
    let is_there = file.get("source").and_then(Value::as_str).is_none_or(is_there);
    let is_fine = !path.is_empty() && !path.starts_with('/') && !path.contains("..");
    let has_one = file.get("contentBase64").is_some() != file.get("source").is_some();
    is_fine
        && is_there
        && has_one
        && file.get("mode").is_none_or(|mode| matches!(mode.as_u64(), Some(0..=511)))
}

fn edit_files(shim: &mut Hooks, change: impl Fn(&mut Value) + 'static) {
    shim.on_params("create", move |workspace, _| {
        entries(workspace, "files").filter(|file| is_harmless(file)).for_each(&change);
    });
}

fn change_modes(shim: &mut Hooks, change: fn(u64) -> u64) {
    edit_files(shim, move |file| {
        let mode = file.get("mode").and_then(Value::as_u64).unwrap_or(0o600);
        set(file, "mode", change(mode));
    });
}

/// Calls instances otherwise than the driver does.
fn rename(shim: &mut Hooks, out: impl Fn(&str) -> String + 'static, back: impl Fn(&str) -> String + 'static) {
    shim.on_instance(move |instance, _| edit(instance, "id", &out));
    shim.on_params(["start", "stop", "remove", "info", "terminal", "dashboard"], move |params, _| {
        edit(params, "id", &back);
    });
}

/// The path of a copy of a folder, or the folder's own when it is not there.
pub(super) fn copied(from: &Path, to: &Path) -> String {
    if !from.is_absolute() || !from.is_dir() {
        return from.display().to_string();
    }
    copy(from, to);
    to.display().to_string()
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::create_dir_all(to);
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() && !path.is_symlink() {
            copy(&path, &target);
        } else {
            let _ = fs::copy(&path, &target);
        }
    }
}
