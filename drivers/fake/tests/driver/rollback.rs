//! A `create` that is cut short in its middle leaves nothing.

use rustix::process::Signal;
use serde_json::json;

use crate::client::{Client, Place};

/// A session in the middle of a `create` that would last for an hour, and the id of that request.
fn in_the_middle(place: &Place) -> (Client, u64) {
    let mut driver = place.open();
    let slow = json!({
        "options": {"fake-step-delay": "3600000"},
        "files": [{"path": "x", "contentBase64": ""}],
    });
    let id = driver.send("create", place.workspace(1, slow));
    driver.wait_for_step();
    assert_eq!(place.files(), ["claims/fake-001", "homes/fake-001"]);
    (driver, id)
}

#[test]
fn when_it_is_cancelled() {
    let place = Place::new();
    let (mut driver, id) = in_the_middle(&place);
    assert!(driver.list().is_empty(), "the driver listens meanwhile, and there is no instance yet");
    driver.cancel(id);
    assert_eq!(driver.answer(id).unwrap_err()["kind"], "cancelled");
    assert_eq!(driver.steps.last().unwrap().0, "fail");
    assert!(place.files().is_empty());
    driver.ok("create", place.workspace(1, json!({})));
}

#[test]
fn when_it_is_cancelled_among_many_steps() {
    let place = Place::new();
    let mut driver = place.open();
    let id = driver.send("create", place.workspace(1, json!({"options": {"fake-steps": "1000000000"}})));
    driver.wait_for_step();
    driver.cancel(id);
    assert_eq!(driver.answer(id).unwrap_err()["kind"], "cancelled");
    assert!(place.files().is_empty());
}

#[test]
fn when_stdin_ends() {
    let place = Place::new();
    let (mut driver, _) = in_the_middle(&place);
    driver.close_stdin();
    assert_eq!(driver.ended().code(), Some(0));
    assert!(place.files().is_empty());
}

#[test]
fn when_the_driver_is_terminated() {
    let place = Place::new();
    let (driver, _) = in_the_middle(&place);
    driver.signal(Signal::TERM);
    driver.ended();
    assert!(place.files().is_empty());
}

#[test]
fn when_the_driver_is_killed() {
    let place = Place::new();
    let mut other = place.open();
    let (driver, _) = in_the_middle(&place);
    driver.signal(Signal::KILL);
    driver.ended();
    assert!(other.list().is_empty());
    assert!(place.files().is_empty(), "the next one to look clears up");
}
