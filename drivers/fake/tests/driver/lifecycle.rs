//! From `create` to `remove`.

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

    let made = driver.ok("create", place.workspace(1, json!({})));
    assert_eq!((&made["id"], &made["state"]), (&json!("fake-001"), &json!("stopped")));
    let started = driver.ok("start", start("fake-001"));
    assert_eq!(started["state"], "running");
    assert_eq!(driver.list(), [driver.ok("info", json!({"id": "fake-001"}))]);
    assert_eq!(driver.kind("remove", json!({"id": "fake-001"})), "invalid_state");
    assert_eq!(driver.ok("stop", json!({"id": "fake-001"})), made);
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
fn what_needs_isolation_is_refused() {
    let place = Place::new();
    let mut driver = place.open();
    for (more, field) in [
        (json!({"network": {"mode": "deny"}}), "network.mode"),
        (json!({"limits": {"pids": 9}}), "limits.pids"),
        (json!({"mounts": [{"host": place.source, "target": "/x"}]}), "mounts"),
    ] {
        let error = driver.call("create", place.workspace(1, more)).unwrap_err();
        assert_eq!((&error["kind"], &error["fieldPath"]), (&json!("unsupported"), &json!(field)));
    }
    assert!(!place.storage.exists());
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
    ] {
        assert_eq!(driver.kind(method, params), "instance_not_found", "{method}");
    }
}

#[test]
fn the_wrong_field_is_named_and_nothing_is_left() {
    let place = Place::new();
    let mut driver = place.open();
    let absent = place.source.join("absent");
    for (more, field) in [
        (json!({"sourcePath": absent}), "sourcePath"),
        (json!({"agent": {"name": "nobody", "command": ["no-such-command"]}}), "agent.name"),
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
