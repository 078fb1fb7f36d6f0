//! From `create` to `remove`.

use std::fs;

use serde_json::{Value, json};

use crate::client::Place;

/// An id together with the other params of a `start`.
fn start(id: &str) -> Value {
    json!({"id": id, "network": {"mode": "allow"}})
}

#[test]
fn an_instance_lives_and_leaves_nothing() {
    let place = Place::new();
    let mut driver = place.open();
    assert!(driver.list().is_empty());
    assert!(!place.storage.exists(), "reading makes no folder");

    let made = driver.ok("create", place.workspace(1, json!({"ports": [{"target": 80}, {"target": 81}]})));
    assert_eq!((&made["id"], &made["state"]), (&json!("fake-001"), &json!("stopped")));
    assert_ne!(made["forwards"][0]["port"], made["forwards"][1]["port"]);
    assert_eq!(driver.kind("dashboard", json!({"id": "fake-001"})), "invalid_state");
    assert_eq!(driver.kind("terminal", json!({"id": "fake-001", "command": ["sh"]})), "invalid_state");

    let deny = json!({"id": "fake-001", "network": {"mode": "deny", "hosts": ["a.example"]}});
    let started = driver.ok("start", deny);
    assert_eq!(
        (&started["state"], &started["info"]["network"]),
        (&json!("running"), &json!("deny except a.example"))
    );
    assert_eq!(driver.list(), [driver.ok("info", json!({"id": "fake-001"}))]);
    assert_eq!(
        driver.ok("dashboard", json!({"id": "fake-001"})),
        json!({"url": "http://127.0.0.1:9/fake-001"})
    );
    assert_eq!(driver.kind("remove", json!({"id": "fake-001"})), "invalid_state");

    let stopped = driver.ok("stop", json!({"id": "fake-001"}));
    assert_eq!((&stopped["state"], &stopped["forwards"]), (&json!("stopped"), &made["forwards"]));
    driver.ok("remove", json!({"id": "fake-001"}));
    assert!(driver.list().is_empty());
    assert_eq!(place.files(), ["instances.json"]);
    assert_eq!(driver.ok("create", place.workspace(2, json!({})))["id"], "fake-002");

    let begun: Vec<_> = driver.steps.iter().filter(|(event, _)| event == "start").collect();
    assert_eq!(begun.len(), 10, "two steps each of five changes: {begun:?}");
    driver.ok("shutdown", json!({}));
    driver.close_stdin();
    assert_eq!(driver.ended().code(), Some(0));
}

#[test]
fn what_is_done_already_is_done() {
    let place = Place::new();
    let mut driver = place.open();
    let made = driver.ok("create", place.workspace(1, json!({})));
    assert_eq!(driver.ok("create", place.workspace(1, json!({}))), made);
    assert_eq!(driver.kind("create", place.workspace(2, json!({"name": "app-1"}))), "already_exists");
    let started = driver.ok("start", start("fake-001"));
    assert_eq!(driver.ok("start", start("fake-001")), started);
    let stopped = driver.ok("stop", json!({"id": "fake-001"}));
    assert_eq!(driver.ok("stop", json!({"id": "fake-001"})), stopped);
    driver.ok("remove", json!({"id": "fake-001"}));
    driver.ok("remove", json!({"id": "fake-001"}));
    for (method, params) in [
        ("start", start("fake-001")),
        ("stop", json!({"id": "fake-001"})),
        ("info", json!({"id": "../fake-001"})),
        ("terminal", json!({"id": "fake-001", "command": ["sh"]})),
        ("dashboard", json!({"id": "fake-001"})),
    ] {
        assert_eq!(driver.kind(method, params), "instance_not_found", "{method}");
    }
}

#[test]
fn the_wrong_field_is_named_and_nothing_is_left() {
    let place = Place::new();
    let mut driver = place.open();
    let absent = place.source.join("absent");
    let taken = json!([{"target": 1, "host": 9000}, {"target": 2, "host": 9000}]);
    for (more, field) in [
        (json!({"sourcePath": absent}), "sourcePath"),
        (json!({"agent": {"name": "nobody", "command": ["no-such-command"]}}), "agent.name"),
        (json!({"mounts": [{"host": absent, "target": "/x"}]}), "mounts[0].host"),
        (json!({"features": [{"id": "x", "directory": place.source}]}), "features[0].directory"),
        (json!({"ports": taken}), "ports[1].host"),
        (json!({"ports": [{"target": 1, "bind": "192.0.2.1"}]}), "ports[0].bind"),
        (json!({"options": {"fake-step-delay": "soon"}}), "options.fake-step-delay"),
        (json!({"options": {"unknown": ""}}), "options.unknown"),
        (json!({"files": [{"path": "x", "contentBase64": "?"}]}), "files[0].contentBase64"),
        (json!({"files": [{"path": "x", "source": place.source}]}), "files[0].source"),
        (
            json!({"files": [{"path": "x", "contentBase64": ""}, {"path": "x/y", "contentBase64": ""}]}),
            "files[1].path",
        ),
    ] {
        let error = driver.call("create", place.workspace(1, more)).unwrap_err();
        assert_eq!((&error["kind"], &error["fieldPath"]), (&json!("invalid_workspace"), &json!(field)));
    }
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn a_port_that_somebody_else_has_is_named() {
    let place = Place::new();
    let mut driver = place.open();
    let made = driver.ok("create", place.workspace(1, json!({"ports": [{"target": 80}]})));
    let port = u16::try_from(made["forwards"][0]["port"].as_u64().unwrap()).unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert_eq!(driver.kind("start", start("fake-001")), "unavailable");
    drop(listener);
    driver.ok("start", start("fake-001"));
    driver.ok("create", place.workspace(2, json!({"ports": [{"target": 80, "host": port}]})));
    assert_eq!(driver.kind("start", start("fake-002")), "unavailable", "a running instance has it");
}

#[test]
fn secrets_are_needed_and_never_written() {
    let place = Place::new();
    let mut driver = place.open();
    let environment = json!([{"name": "TOKEN", "secret": "token"}]);
    driver.ok("create", place.workspace(1, json!({"environment": environment})));
    let error = driver.call("start", start("fake-001")).unwrap_err();
    assert_eq!(
        (&error["kind"], &error["fieldPath"]),
        (&json!("invalid_workspace"), &json!("secretValues.token"))
    );

    let mut params = start("fake-001");
    params["secretValues"] = json!({"token": "correct horse"});
    driver.ok("start", params);
    for file in place.files().iter().map(|file| place.storage.join(file)).filter(|path| path.is_file()) {
        assert!(!fs::read_to_string(&file).unwrap().contains("correct horse"), "{}", file.display());
    }
}

#[cfg(unix)]
#[test]
fn a_command_gets_the_environment_and_the_home_of_its_workspace() {
    use std::{os::unix::fs::PermissionsExt, process::Command};

    let place = Place::new();
    let big = place.source.join("big");
    fs::write(&big, vec![b'x'; 3 << 20]).unwrap();
    let mut driver = place.open();
    driver.ok(
        "create",
        place.workspace(
            1,
            json!({
                "environment": [{"name": "A", "value": "$(b) \"c\""}, {"name": "HIDDEN", "secret": "hidden"}],
                "secrets": [{"name": "github", "header": "Authorization", "envNames": ["GH_TOKEN"]}],
                "files": [
                    {"path": ".config/x", "contentBase64": "aGVsbG8="},
                    {"path": "big", "source": big, "mode": 0o755},
                ],
            }),
        ),
    );
    let mut params = start("fake-001");
    params["secretValues"] = json!({"hidden": "h", "github": "g"});
    driver.ok("start", params);

    let script =
        r#"printf '%s|' "$A" "${HIDDEN-unset}" "$GH_TOKEN" "${FOREIGN-unset}" "$1"; cat ~/.config/x; pwd"#;
    let plan =
        driver.ok("terminal", json!({"id": "fake-001", "command": ["sh", "-c", script, "sh", "a 'b'"]}));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut command = Command::new(text(&plan["program"]));
    command.args(plan["args"].as_array().unwrap().iter().map(text)).current_dir(text(&plan["cwd"]));
    command.env("FOREIGN", "the user's own").env("HIDDEN", "the user's own");
    for (name, value) in plan["env"].as_object().unwrap() {
        match value.as_str() {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let source = place.source.canonicalize().unwrap();
    assert_eq!(output, format!("$(b) \"c\"|unset|placeholder|unset|a 'b'|hello{}\n", source.display()));

    let missing = json!({"id": "fake-001", "command": ["no-such-command"]});
    assert_eq!(driver.kind("terminal", missing), "unavailable");
    let home = place.storage.join("homes/fake-001");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(fs::metadata(home.join("big")).unwrap().len(), 3 << 20);
    assert_eq!((mode(home.join("big")), mode(home.join(".config/x"))), (0o755, 0o600));
    assert_eq!((mode(place.storage.clone()), mode(place.storage.join("instances.json"))), (0o700, 0o600));
}
