//! What is installed at `create`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::client::{Place, wait_until};

/// A feature whose `install.sh` is this script.
fn feature(place: &Place, name: &str, script: &str) -> (PathBuf, Value) {
    let directory = place.storage.with_file_name(name);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("install.sh"), format!("#!/bin/sh\n{script}")).unwrap();
    let feature = json!({
        "id": name, "directory": directory, "options": {"VERSION": name},
        "containerEnv": {"TRAIL": format!("${{TRAIL}}/{name}")},
    });
    (directory, feature)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn features_and_the_agent_are_installed_in_order() {
    let place = Place::new();
    let script = "echo $VERSION >>$HOME/order; cat more; touch here; sleep 1000 & echo told; echo warned >&2";
    let (one, first) = feature(&place, "one", script);
    let (_, second) = feature(&place, "two", "echo $VERSION >>$HOME/order");
    fs::write(one.join("more"), "more").unwrap();
    let mut driver = place.open();
    let install = ["mkdir -p .local/bin", "ln -s /bin/true .local/bin/agent-of-mine"];
    let agent = json!({"name": "mine", "command": ["agent-of-mine"], "install": install});
    driver.ok("create", place.workspace(1, json!({"features": [first, second], "agent": agent})));
    assert!(place.processes().is_empty(), "what was left in the background is ended");
    assert_eq!(read(&place.storage.join("homes/fake-001/order")), "one\ntwo\n");
    assert!(!one.join("here").exists(), "the feature was a copy");
    driver.ok("start", json!({"id": "fake-001", "network": {}}));
    assert_eq!(driver.script("echo $TRAIL; agent-of-mine"), "/one/two\n");
    driver.ok("stop", json!({"id": "fake-001"}));
    driver.ok("remove", json!({"id": "fake-001"}));
    assert_eq!(place.files(), ["instances.json"]);
}

#[test]
fn a_feature_that_fails_is_reported_and_rolled_back() {
    let place = Place::new();
    let (_, feature) =
        feature(&place, "bad", "head -c 9000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 3");
    let mut driver = place.open();
    let error = driver.call("create", place.workspace(1, json!({"features": [feature]}))).unwrap_err();
    assert_eq!((&error["kind"], &error["command"]["exitCode"]), (&json!("backend_failed"), &json!(3)));
    let tail = error["command"]["stderrTail"].as_str().unwrap();
    assert!(tail.len() <= 8192 && tail.ends_with("xthe end\n"));
    assert!(place.files().is_empty());
}

#[test]
fn an_installation_that_is_cut_short_leaves_nothing() {
    let place = Place::new();
    let (_, feature) = feature(&place, "slow", "touch $MARK; setsid sleep 1000 & sleep 1000");
    let mark = place.source.join("begun");
    let mut workspace = place.workspace(1, json!({"features": [feature]}));
    workspace["features"][0]["options"]["MARK"] = json!(mark);
    let mut other = place.open();

    let mut driver = place.open();
    let id = driver.send("create", workspace.clone());
    wait_until("it has begun", || mark.exists());
    driver.cancel(id);
    assert_eq!(driver.answer(id).unwrap_err()["kind"], "cancelled");
    assert!(place.processes().is_empty() && place.files().is_empty());

    fs::remove_file(&mark).unwrap();
    driver.send("create", workspace);
    wait_until("it has begun", || mark.exists());
    driver.signal(rustix::process::Signal::KILL);
    driver.ended();
    assert!(other.list().is_empty());
    assert!(place.processes().is_empty() && place.files().is_empty(), "the next one to look clears up");
}
