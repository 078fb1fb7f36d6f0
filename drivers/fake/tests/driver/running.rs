//! What belongs to a running instance, and what ends it.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{Client, Place, wait_until};

fn running(place: &Place, more: Value) -> (Client, Value) {
    let mut driver = place.open();
    driver.ok("create", place.workspace(1, more));
    let started = driver.ok("start", json!({"id": "fake-001", "network": {}}));
    (driver, started)
}

/// The keeper and nothing else.
fn keeper(place: &Place) -> Pid {
    let [keeper] = place.processes()[..] else { panic!("{:?}", place.processes()) };
    Pid::from_raw(keeper.cast_signed()).unwrap()
}

#[test]
fn a_stop_ends_all_processes_whatever_they_do() {
    let place = Place::new();
    let (mut driver, _) = running(&place, json!({}));
    keeper(&place);
    let script = "trap '' TERM
        setsid sh -c 'trap \"\" TERM; touch detached; while :; do sleep 1; done' &
        while :; do sleep 1; done";
    let mut stubborn = driver.plan(&["sh", "-c", script]).spawn().unwrap();
    let script = "env -i sh -c 'trap \"\" TERM; touch unmarked; while :; do sleep 0.001; done' & wait";
    let mut parent = driver.plan(&["sh", "-c", script]).spawn().unwrap();
    let mut polite =
        driver.plan(&["sh", "-c", "trap 'exit 7' TERM; touch armed; while :; do sleep 0.01; done"]);
    let mut polite = polite.spawn().unwrap();
    wait_until("all run", || {
        ["detached", "unmarked", "armed"].iter().all(|file| place.source.join(file).exists())
    });

    let begin = Instant::now();
    let id = driver.send("stop", json!({"id": "fake-001", "graceSeconds": 1}));
    assert_eq!(driver.answer(id).unwrap()["state"], "stopped");
    assert!(begin.elapsed().as_millis() >= 1000, "the grace is given");
    assert!(place.processes().is_empty());
    let codes = [&mut polite, &mut stubborn, &mut parent].map(|child| child.wait().unwrap().code());
    assert_eq!(codes, [Some(7), None, None]);
}

#[test]
fn an_instance_outlives_the_driver_but_not_its_keeper() {
    let place = Place::new();
    let (mut driver, _) = running(&place, json!({}));
    let keeper = keeper(&place);
    let mut left = driver.plan(&["sleep", "1000"]).spawn().unwrap();
    driver.ok("shutdown", json!({}));
    driver.close_stdin();
    driver.ended();

    let mut driver = place.open();
    assert_eq!(driver.list()[0]["state"], "running");
    kill_process(keeper, Signal::KILL).unwrap();
    wait_until("the keeper is gone", || {
        !place.processes().contains(&keeper.as_raw_nonzero().get().cast_unsigned())
    });
    let now = driver.ok("info", json!({"id": "fake-001"}));
    assert_eq!((&now["state"], &now["reason"]), (&json!("stopped"), &json!("its keeper has ended")));
    let again = driver.ok("start", json!({"id": "fake-001", "network": {}}));
    assert_eq!((&again["state"], again.get("reason")), (&json!("running"), None));
    assert!(!left.wait().unwrap().success(), "what was left of the last run is ended first");
    driver.ok("stop", json!({"id": "fake-001"}));
    assert!(place.processes().is_empty());
}

#[test]
fn a_keeper_that_is_told_to_end_takes_all_with_it() {
    let place = Place::new();
    let (mut driver, _) = running(&place, json!({}));
    let keeper = keeper(&place);
    let mut command = driver.plan(&["sleep", "1000"]).spawn().unwrap();
    kill_process(keeper, Signal::TERM).unwrap();
    assert!(!command.wait().unwrap().success());
    wait_until("nothing is left", || place.processes().is_empty());
}

#[test]
fn a_start_that_is_cut_short_leaves_no_process() {
    let place = Place::new();
    let mut driver = place.open();
    driver.ok("create", place.workspace(1, json!({"options": {"fake-step-delay": "0"}})));
    let file = place.storage.join("instances.json");
    let steps_take = |from: &str, to: &str| {
        let delay = |milliseconds| format!(r#""fake-step-delay":"{milliseconds}""#);
        fs::write(&file, fs::read_to_string(&file).unwrap().replace(&delay(from), &delay(to))).unwrap();
    };
    // The keeper is there during the second of the steps.
    steps_take("0", "5000");
    for end in [Signal::TERM, Signal::KILL] {
        let mut driver = place.open();
        driver.send("start", json!({"id": "fake-001", "network": {}}));
        wait_until("there is a keeper", || !place.processes().is_empty());
        driver.signal(end);
        driver.ended();
        wait_until("the keeper is gone", || place.processes().is_empty());
        assert_eq!(place.open().list()[0]["state"], "stopped");
    }
    steps_take("5000", "3600000");
    let id = driver.send("start", json!({"id": "fake-001", "network": {}}));
    driver.wait_for_step();
    driver.cancel(id);
    assert_eq!(driver.answer(id).unwrap_err()["kind"], "cancelled");
    assert!(place.processes().is_empty());
}

#[test]
fn ports_are_forwarded_both_ways_until_both_ends_have_finished() {
    let place = Place::new();
    let program = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = program.local_addr().unwrap().port();
    let (mut driver, started) = running(&place, json!({"ports": [{"target": target}]}));
    let port = u16::try_from(started["forwards"][0]["port"].as_u64().unwrap()).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (mut inside, _) = program.accept().unwrap();
    let mut heard = String::new();
    inside.read_to_string(&mut heard).unwrap();
    inside.write_all(format!("answer to {heard}").as_bytes()).unwrap();
    drop(inside);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer to question");

    driver.ok("create", place.workspace(2, json!({"ports": [{"target": 80, "host": port}]})));
    let error = driver.call("start", json!({"id": "fake-002", "network": {}})).unwrap_err();
    assert_eq!(error["kind"], "unavailable", "a running instance has the port");
    keeper(&place);
    driver.ok("stop", json!({"id": "fake-001"}));
    driver.ok("start", json!({"id": "fake-002", "network": {}}));
    driver.ok("stop", json!({"id": "fake-002"}));
}

#[test]
fn ports_that_can_not_be_forwarded_are_named() {
    let place = Place::new();
    let mut driver = place.open();
    for (ports, field) in [
        (json!([{"target": 1, "host": 9000}, {"target": 2, "host": 9000}]), "ports[1].host"),
        (json!([{"target": 9000, "host": 9000, "bind": "0.0.0.0"}]), "ports[0].host"),
        (json!([{"target": 1, "bind": "192.0.2.1"}]), "ports[0].bind"),
    ] {
        let error = driver.call("create", place.workspace(1, json!({"ports": ports}))).unwrap_err();
        assert_eq!((&error["kind"], &error["fieldPath"]), (&json!("invalid_workspace"), &json!(field)));
    }
}
