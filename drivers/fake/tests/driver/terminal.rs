//! Commands inside an instance.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::client::Place;

#[test]
fn a_command_gets_the_environment_and_the_home_of_its_workspace() {
    let place = Place::new();
    let big = place.source.join("big");
    fs::write(&big, vec![b'x'; 3 << 20]).unwrap();
    fs::write(place.storage.with_file_name("secrets.json"), r#"{"stored": "s", "sent": "not this"}"#)
        .unwrap();
    let mut driver = place.open();
    driver.ok(
        "create",
        place.workspace(
            1,
            json!({
                "environment": [
                    {"name": "A", "value": "$(b) \"c\""},
                    {"name": "SENT", "secret": "sent"},
                    {"name": "STORED", "secret": "stored"},
                ],
                "files": [
                    {"path": ".config/x", "contentBase64": "aGVsbG8="},
                    {"path": "big", "source": big, "mode": 0o755},
                ],
            }),
        ),
    );
    let start = json!({"id": "fake-001", "network": {}, "secretValues": {"sent": "correct horse"}});
    driver.ok("start", start);

    let script =
        r#"printf '%s|' "$A" "$SENT" "$STORED" "${HIDDEN-unset}${FOREIGN-unset}" "$1"; cat ~/.config/x; pwd"#;
    let output = driver.plan(&["sh", "-c", script, "sh", "a 'b'"]).output().unwrap();
    let source = place.source.canonicalize().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("$(b) \"c\"|correct horse|s|unsetunset|a 'b'|hello{}\n", source.display())
    );

    let home = place.storage.join("homes/fake-001");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(fs::metadata(home.join("big")).unwrap().len(), 3 << 20);
    assert_eq!((mode(home.join("big")), mode(home.join(".config/x"))), (0o755, 0o600));
    assert_eq!((mode(place.storage.clone()), mode(place.storage.join("instances.json"))), (0o700, 0o600));
    for file in place.files().iter().map(|file| place.storage.join(file)).filter(|path| path.is_file()) {
        let content = fs::read(&file).unwrap();
        assert!(!content.windows(13).any(|w| w == b"correct horse"), "{}", file.display());
    }
    driver.ok("stop", json!({"id": "fake-001"}));
}

#[test]
fn a_plan_ends_as_its_command_does() {
    let place = Place::new();
    let mut driver = place.open();
    driver.ok("create", place.workspace(1, json!({})));
    assert_eq!(driver.kind("terminal", json!({"id": "fake-001", "command": ["sh"]})), "invalid_state");
    driver.ok("start", json!({"id": "fake-001", "network": {}}));
    fs::write(place.source.join("text"), "").unwrap();
    for (command, code) in [
        (&["sh", "-c", "exit 43"][..], Some(43)),
        (&["sh", "-c", "kill -KILL $$"], None),
        (&["no-such-command"], Some(127)),
        (&["./text"], Some(126)),
    ] {
        assert_eq!(driver.plan(command).output().unwrap().status.code(), code, "{command:?}");
    }
    let mut late = driver.plan(&["sh"]);
    driver.ok("stop", json!({"id": "fake-001"}));
    assert_eq!(late.output().unwrap().status.code(), Some(125));
}

#[test]
fn a_secret_without_a_value_is_named() {
    let place = Place::new();
    let mut driver = place.open();
    driver.ok("create", place.workspace(1, json!({"environment": [{"name": "TOKEN", "secret": "token"}]})));
    let error = driver.call("start", json!({"id": "fake-001", "network": {}})).unwrap_err();
    assert_eq!(
        (&error["kind"], &error["fieldPath"]),
        (&json!("invalid_workspace"), &json!("secretValues.token"))
    );
}
