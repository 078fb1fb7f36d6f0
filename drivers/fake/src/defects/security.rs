//! Defects of profile `security`: secrets that get where they must not, and text that does not get through.

use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{CHANGES, Flow, Hooks},
    json::{edit, entries, json, list, object, set, text},
    stage::Straggler,
    wire::{Wire, put},
};

pub(super) const TABLE: &[Defect] = &[
    defect("shows-secrets-in-info", "SEC-01", |shim| {
        shim.on_result("start", |instance, request, _| {
            if let (Some(secret), Some(info)) = (secret(&request.params), object(instance, "info")) {
                info.insert("token".into(), secret.into());
            }
        });
    }),
    defect("logs-secrets", "SEC-01", |shim| {
        shim.on_answer("start", |_, request, wire| {
            if let Some(secret) = secret(&request.params).filter(|_| request.id.is_u64()) {
                let params = json!({"requestId": request.id, "text": format!("export TOKEN={secret}\n")});
                wire.tell(&json!({"jsonrpc": "2.0", "method": "$/log", "params": params}));
            }
            Flow::Pass
        });
    }),
    defect("repeats-secrets-in-errors", "SEC-01", |shim| {
        shim.on_error("start", |error, request, _| {
            if let Some(secret) = secret(&request.params) {
                edit(error, "message", |message| format!("{message} ({secret})"));
            }
        });
    }),
    defect("echoes-secrets-on-stderr", "SEC-02", |shim| {
        shim.on_params("start", |params, _| {
            if let Some(secret) = secret(params) {
                let _ = writeln!(std::io::stderr(), "starting with {secret}");
            }
        });
    }),
    defect("passes-secrets-as-arguments", "SEC-03", |shim| {
        with_helper(shim, |secret| Straggler {
            args: vec!["--token".into(), secret],
            ..Straggler::default()
        });
    }),
    defect("passes-secrets-in-the-environment", "SEC-04", |shim| {
        with_helper(shim, |secret| Straggler { env: vec![("TOKEN".into(), secret)], ..Straggler::default() });
    }),
    defect("writes-secrets-to-disk", "SEC-05", |shim| {
        shim.on_result("start", |_, request, wire| {
            if let Some(secret) = secret(&request.params) {
                put(&wire.storage().join("secrets").join(request.instance()), secret);
            }
        });
        shim.on_result("remove", |_, request, wire| {
            let _ = fs::remove_file(wire.storage().join("secrets").join(request.instance()));
            let _ = fs::remove_dir(wire.storage().join("secrets"));
        });
    }),
    defect("lets-secrets-in", "SEC-06", |shim| {
        // As a variable inside.
        shim.on_result("create", |instance, request, wire| {
            let secrets = request.params["secrets"].as_array().into_iter().flatten();
            let names: Vec<_> = secrets.map(|secret| secret["name"].clone()).collect();
            wire.remember(&format!("secrets-{}", text(instance, "id")), &json!(names));
        });
        shim.on_params("start", |params, wire| {
            let id = text(params, "id");
            let names = wire.recall(&format!("secrets-{id}")).unwrap_or_default();
            let name = names.as_array().and_then(|names| names.first()).and_then(Value::as_str);
            if let Some(value) = name.and_then(|name| params["secretValues"].get(name)) {
                wire.remember(&format!("value-{id}"), value);
            }
        });
        shim.prefix(|params, wire| {
            let value = wire.recall(&format!("value-{}", text(params, "id")));
            let variable = value.and_then(|value| Some(format!("SECRET_VALUE={}", value.as_str()?)));
            variable.map(|variable| vec!["/usr/bin/env".into(), variable]).unwrap_or_default()
        });
    }),
    defect("lets-everyone-read-its-storage", "SEC-07 LIFE-17", |shim| {
        shim.on_answer(CHANGES, |_, _, wire| {
            let _ = fs::set_permissions(wire.storage(), Permissions::from_mode(0o755));
            Flow::Pass
        });
    }),
    defect("lets-its-group-read-its-storage", "SEC-07 LIFE-17", |shim| {
        shim.on_answer(CHANGES, |_, _, wire| {
            let _ = fs::set_permissions(wire.storage(), Permissions::from_mode(0o750));
            Flow::Pass
        });
    }),
    defect("strips-control-characters", "SEC-09", |shim| {
        change_values(shim, |value| value.replace(char::is_control, ""));
    }),
    defect("cuts-values-at-newlines", "SEC-09", |shim| {
        change_values(shim, |value| value.split('\n').next().unwrap_or_default().into());
    }),
    defect("trims-values", "SEC-09", |shim| change_values(shim, |value| value.trim().into())),
    defect("removes-quotes", "SEC-09", |shim| change_values(shim, |value| value.replace(['"', '\''], ""))),
    defect("expands-variables-in-values", "SEC-09", |shim| {
        change_values(shim, |value| value.replace("$HOME", "/root").replace("${HOME}", "/root"));
    }),
    defect("escapes-quotes-in-arguments", "SEC-09 TERM-05", |shim| {
        change_arguments(shim, |word| word.replace('"', "\\\""));
    }),
    defect("cuts-arguments-at-newlines", "SEC-09 TERM-05", |shim| {
        change_arguments(shim, |word| {
            let is_script = word.contains("; ") || word.contains('$');
            if is_script { word.into() } else { word.split('\n').next().unwrap_or_default().into() }
        });
    }),
    defect("replaces-what-is-not-ascii", "SEC-09", |shim| {
        change_values(shim, |value| value.replace(|c: char| !c.is_ascii(), "?"));
        change_arguments(shim, |word| word.replace(|c: char| !c.is_ascii(), "?"));
    }),
    defect("cuts-paths-at-colons", "SEC-09", |shim| {
        // As a backend does that is told `host:inside`, and makes the folders that it misses.
        shim.on_params("create", |workspace, _| {
            edit(workspace, "sourcePath", |path| match path.split_once(':') {
                Some((cut, _)) if Path::new(path).is_dir() => {
                    let _ = fs::create_dir_all(cut);
                    cut.into()
                }
                _ => path.into(),
            });
        });
    }),
    defect("prints-odd-options", "WIRE-02", |shim| {
        shim.on_error("create", |_, request, wire| {
            let names = request.params["options"].as_object().into_iter().flat_map(serde_json::Map::keys);
            for name in names.filter(|name| name.contains(char::is_control)) {
                wire.print(format!("what is {name}?\n"));
            }
        });
    }),
    defect("passes-its-environment-on", "LIFE-20", |shim| {
        let mut words = vec!["/usr/bin/env".to_owned()];
        words.extend(own_variables().map(|(name, value)| format!("{name}={value}")));
        shim.prefix(move |_, _| words.clone());
    }),
    defect("runs-commands-on-the-host", "WORK-11 WORK-12", |shim| {
        shim.on_result("create", |instance, request, wire| {
            wire.remember(&format!("sources-{}", text(instance, "id")), &request.params["sourcePath"]);
        });
        shim.on_plan(|plan, request, wire| {
            let sources = wire.recall(&format!("sources-{}", request.instance())).unwrap_or_default();
            let mut args = vec![json!("-c"), json!("exec \"$@\""), json!("sh")];
            args.extend(request.params["command"].as_array().cloned().unwrap_or_default());
            *plan = json!({"program": "/bin/sh", "args": args, "cwd": sources});
        });
    }),
];

/// The first of the values that `start` brings.
fn secret(params: &Value) -> Option<String> {
    Some(params["secretValues"].as_object()?.values().next()?.as_str()?.to_owned())
}

/// Starts a process that is handed a secret, and lives as long as the instance runs.
fn with_helper(shim: &mut Hooks, helper: fn(String) -> Straggler) {
    shim.on_params("start", move |params, wire: &mut Wire| {
        if let Some(secret) = secret(params) {
            let running = wire.memory().join(format!("helper-{}", text(params, "id")));
            put(&running, "");
            helper(secret).start(&running, Duration::from_secs(20));
        }
    });
    shim.on_answer(["stop", "remove"], |_, request, wire| {
        let _ = fs::remove_file(wire.memory().join(format!("helper-{}", request.instance())));
        Flow::Pass
    });
}

fn change_values(shim: &mut Hooks, change: fn(&str) -> String) {
    shim.on_params("create", move |workspace, _| {
        entries(workspace, "environment").for_each(|entry| edit(entry, "value", change));
    });
}

fn change_arguments(shim: &mut Hooks, change: fn(&str) -> String) {
    shim.on_params("terminal", move |params, _| {
        for word in list(params, "command").into_iter().flatten() {
            if let Some(changed) = word.as_str().map(change) {
                *word = changed.into();
            }
        }
        if params["command"] == json!([]) {
            set(params, "command", json!([]));
        }
    });
}

/// The variables of this process that no workspace has by itself.
#[expect(clippy::disallowed_methods, reason = "the whole of the environment is what it is about")]
fn own_variables() -> impl Iterator<Item = (String, String)> {
    let known = [
        "HOME", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "LANG", "TZ", "USER", "LOGNAME", "SHELL",
        "TMPDIR",
    ];
    let all = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(move |(name, _)| {
        !known.contains(&name.as_str()) && !name.starts_with("KDN_FAKE_") && !name.starts_with("LC_")
    })
}
