//! Files that other programs, other versions and accidents left.

use std::fs;

use serde_json::{Value, json};

use crate::client::{Client, Place};

fn write(place: &Place, content: &str) {
    fs::create_dir_all(&place.storage).unwrap();
    fs::write(place.storage.join("instances.json"), content).unwrap();
}

fn old(id: &str, name: &str, source: &std::path::Path) -> Value {
    let info = json!({"created_at": "2026-04-01T10:00:00Z", "has_config": "true"});
    json!({"id": id, "name": name, "state": "running", "info": info, "source": source})
}

#[test]
fn instances_of_earlier_versions_work() {
    let place = Place::new();
    let record = old("fake-002", "old", &place.source);
    write(&place, &json!({"next_id": 3, "instances": {"fake-002": record}}).to_string());
    let mut driver = place.open();
    let listed = driver.list().remove(0);
    assert_eq!(
        (&listed["workspaceId"], &listed["state"]),
        (&json!(""), &json!(if cfg!(target_os = "linux") { "stopped" } else { "running" }))
    );
    assert_eq!(driver.ok("list", json!({"workspaceIds": ["0".repeat(64)]}))["instances"], json!([]));
    driver.ok("start", json!({"id": "fake-002", "network": {}}));
    driver.ok("stop", json!({"id": "fake-002"}));
    assert_eq!(driver.kind("create", place.workspace(1, json!({"name": "old"}))), "already_exists");
    assert_eq!(driver.ok("create", place.workspace(1, json!({})))["id"], "fake-003");
    driver.ok("remove", json!({"id": "fake-002"}));
    assert_eq!(driver.list().len(), 1);
}

#[test]
fn a_record_that_is_damaged_hides_no_other_and_can_be_removed() {
    let place = Place::new();
    let fine = old("fake-001", "fine", &place.source);
    let odd = json!({"id": "fake-003", "name": "odd", "state": "created"});
    write(
        &place,
        &json!({"next_id": 4, "instances": {"fake-001": fine, "fake-002": 5, "fake-003": odd}}).to_string(),
    );
    let mut driver = place.open();
    let broken = driver.list().iter().filter(|instance| instance["state"] == "error").count();
    assert_eq!(broken, 2);
    assert_eq!(driver.kind("start", json!({"id": "fake-002", "network": {}})), "invalid_state");
    driver.ok("remove", json!({"id": "fake-002"}));
    driver.ok("remove", json!({"id": "fake-003"}));
    assert_eq!(driver.list().len(), 1);
}

#[test]
fn a_file_that_is_damaged_is_made_up_for_from_the_homes() {
    let place = Place::new();
    let mut driver = place.open();
    driver.ok("create", place.workspace(1, json!({})));
    write(&place, "garbage");
    assert_eq!(driver.list()[0]["state"], "error");
    driver.ok("remove", json!({"id": "fake-001"}));
    assert_eq!(driver.ok("create", place.workspace(1, json!({})))["state"], "stopped");
}

#[test]
fn pages_hold_every_instance_once() {
    let place = Place::new();
    let records: Vec<(String, Value)> = (1..=5000)
        .map(|n| format!("fake-{n:03}"))
        .map(|id| (id.clone(), old(&id, &id, &place.source)))
        .collect();
    let instances: serde_json::Map<String, Value> = records.into_iter().collect();
    write(&place, &json!({"next_id": 5001, "instances": instances}).to_string());
    let mut driver = Client::open_with(&place.storage, json!({"maxFrameBytes": 1 << 20}));
    let (mut seen, mut pages, mut params) = (std::collections::BTreeSet::new(), 0, json!({}));
    loop {
        let page = driver.ok("list", params);
        for instance in page["instances"].as_array().unwrap() {
            assert!(seen.insert(instance["id"].as_str().unwrap().to_owned()), "{instance} came twice");
        }
        pages += 1;
        match page.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => break,
        }
    }
    assert!(pages > 1);
    assert_eq!(seen.len(), 5000);
    assert_eq!(driver.kind("list", json!({"cursor": "fake-001"})), "invalid_params");
}
