//! Several processes over one storage folder.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::client::{Client, Place};

/// Sends each session its `create` before any is answered.
fn create_at_once(sessions: &mut [Client], workspace: impl Fn(u32) -> Value) -> BTreeSet<String> {
    let ids: Vec<u64> =
        (1..).zip(&mut *sessions).map(|(n, session)| session.send("create", workspace(n))).collect();
    let answers = sessions.iter_mut().zip(ids).map(|(session, id)| session.answer(id).unwrap());
    answers.map(|instance| instance["id"].as_str().unwrap().to_owned()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn creates_at_once_get_ids_and_ports_of_their_own() {
    let place = Place::new();
    let mut sessions: Vec<Client> = (0..8).map(|_| place.open()).collect();
    let ids = create_at_once(&mut sessions, |n| place.workspace(n, json!({"ports": [{"target": 80}]})));
    assert_eq!(ids.len(), 8);
    let instances = sessions[0].list();
    let ports: BTreeSet<_> = instances.iter().map(|i| i["forwards"][0]["port"].as_u64()).collect();
    assert_eq!((instances.len(), ports.len()), (8, 8));
}

#[test]
fn a_workspace_gets_one_instance_however_many_ask() {
    let place = Place::new();
    let mut sessions: Vec<Client> = (0..4).map(|_| place.open()).collect();
    let ids = create_at_once(&mut sessions, |_| place.workspace(1, json!({})));
    assert_eq!(ids.len(), 1);
    assert_eq!(place.files().len(), 2, "the records and one home: {:?}", place.files());
}

#[test]
fn changes_of_one_instance_do_not_mix() {
    let place = Place::new();
    let (mut one, mut other) = (place.open(), place.open());
    one.ok("create", place.workspace(1, json!({"options": {"fake-step-delay": "0"}})));
    let file = place.storage.join("instances.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(r#""fake-step-delay":"0""#, r#""fake-step-delay":"3600000""#)).unwrap();

    let id = one.send("start", json!({"id": "fake-001", "network": {}}));
    one.wait_for_step();
    assert_eq!(other.kind("remove", json!({"id": "fake-001"})), "busy");
    one.cancel(id);
    assert_eq!(one.answer(id).unwrap_err()["kind"], "cancelled");
    assert_eq!(other.ok("info", json!({"id": "fake-001"}))["state"], "stopped");
}
