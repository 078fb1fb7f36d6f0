//! The life of an instance: what `create`, `start`, `stop` and `info` say.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use super::instances::{TIMES, ended, state, stop, vitals};
use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, of, start},
    host_ports, plan,
    processes::Process,
    stop::{Stop, ensure},
};

const TERMINAL: &[Need] = &[Need::Capability("terminal")];
const PROCESSES: &[Need] = &[Need::Linux, Need::Local];

pub(super) const CHECKS: &[Check] = &[
    Check::new("lifecycle/create", "a created instance is stopped", &["CREATE-01"], create),
    Check::new("lifecycle/start", "a started instance is running", &["START-01"], start_runs),
    Check::new("lifecycle/stop", "a stopped instance is stopped", &["STOP-02"], stop_stops),
    Check::new("lifecycle/restart", "an instance can be started again", &["START-01"], restart).slow(),
    Check::new(
        "lifecycle/identity",
        "an instance has the id and the name of its workspace",
        &["INST-03"],
        identity,
    ),
    Check::new(
        "lifecycle/same-for-life",
        "the id, workspace id, name and forwards never change",
        &["INST-02"],
        same_for_life,
    )
    .slow(),
    Check::new(
        "lifecycle/fresh-ids",
        "the id of a removed instance is not used again",
        &["INST-05"],
        fresh_ids,
    ),
    Check::new(
        "lifecycle/info-other-process",
        "info tells what another process of the driver did since",
        &["INFO-01"],
        info_other_process,
    ),
    Check::new(
        "lifecycle/info-after-death",
        "an instance whose processes were killed is not running, and can be started again",
        &["INFO-01"],
        info_after_death,
    )
    .needs(PROCESSES),
    Check::new("lifecycle/info-changes-nothing", "info changes nothing", &["INFO-02"], info_changes_nothing),
    Check::new(
        "lifecycle/info-leaves-home-alone",
        "info changes nothing in the home",
        &["INFO-02"],
        info_leaves_home,
    )
    .needs(TERMINAL),
];

fn expect(instance: &Value, state: &str, method: &str) -> Result<(), Stop> {
    ensure!(
        instance["state"] == state,
        "{method} answered the state {}, and not {state:?}",
        instance["state"]
    );
    Ok(())
}

fn create(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let instance = driver.ok("create", &cx.workspace())?;
    expect(&instance, "stopped", "create")?;
    expect(&driver.ok("info", &of(&id_of(&instance)))?, "stopped", "info after create")
}

fn start_runs(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    expect(&driver.ok("start", &start(&id))?, "running", "start")?;
    expect(&driver.ok("info", &of(&id))?, "running", "info after start")
}

fn stop_stops(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    expect(&driver.ok("stop", &of(&id))?, "stopped", "stop")?;
    expect(&driver.ok("info", &of(&id))?, "stopped", "info after stop")
}

fn restart(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    for _ in 0..2 {
        driver.ok("stop", &stop(&id))?;
        expect(&driver.ok("start", &start(&id))?, "running", "start after stop")?;
    }
    expect(&driver.ok("info", &of(&id))?, "running", "info")
}

fn identity(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for _ in 0..2 {
        let workspace = cx.workspace();
        let instance = driver.ok("create", &workspace)?;
        let info = driver.ok("info", &of(&id_of(&instance)))?;
        for (answer, method) in [(&instance, "create"), (&info, "info")] {
            for field in ["workspaceId", "name"] {
                let (is, due) = (&answer[field], &workspace[field]);
                ensure!(is == due, "{method} answered the {field} {is}, and not {due}");
            }
        }
    }
    driver.shutdown()
}

/// What stays the same of an instance.
fn identity_of(instance: &Value) -> Value {
    let forwards = instance.get("forwards").cloned().unwrap_or_else(|| json!([]));
    json!([instance["id"], instance["workspaceId"], instance["name"], forwards])
}

fn same_for_life(cx: &mut Cx) -> Result<(), Stop> {
    let mut workspace = cx.workspace();
    if cx.declares("ports") {
        workspace["ports"] = json!([{"target": 8080}, {"target": 9090}]);
    }
    let mut driver = cx.open()?;
    let _alone = host_ports::alone();
    let created = driver.ok("create", &workspace)?;
    let id = id_of(&created);
    let calls = [("info", of(&id)), ("start", start(&id)), ("info", of(&id)), ("stop", stop(&id))];
    for (method, params) in calls.into_iter().chain([("start", start(&id)), ("stop", stop(&id))]) {
        let answer = driver.ok(method, &params)?;
        let (is, was) = (identity_of(&answer), identity_of(&created));
        ensure!(is == was, "create answered id, workspaceId, name, forwards {was}, and {method} {is}");
    }
    Ok(())
}

fn fresh_ids(cx: &mut Cx) -> Result<(), Stop> {
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..3 {
        let mut driver = cx.open()?;
        let id = id_of(&driver.ok("create", &cx.workspace())?);
        ensure!(!seen.contains(&id), "the id {id:?} of a removed instance was given to another one");
        driver.ok("remove", &of(&id))?;
        driver.shutdown()?;
        seen.push(id);
    }
    Ok(())
}

/// A change in one session, which another session has to see.
fn seen(watcher: &mut Driver, id: &str, due: &str, what: &str) -> Result<(), Stop> {
    let state = state(watcher, id)?;
    ensure!(state == due, "another process {what} the instance, and info tells the state {state:?}");
    Ok(())
}

fn info_other_process(cx: &mut Cx) -> Result<(), Stop> {
    let mut watcher = cx.open()?;
    let id = id_of(&watcher.ok("create", &cx.workspace())?);
    seen(&mut watcher, &id, "stopped", "did nothing to")?;
    let mut other = cx.open()?;
    other.ok("start", &start(&id))?;
    seen(&mut watcher, &id, "running", "started")?;
    other.ok("stop", &stop(&id))?;
    seen(&mut watcher, &id, "stopped", "stopped")?;
    other.ok("remove", &of(&id))?;
    watcher.refused("info", &of(&id), "instance_not_found").map(drop)
}

fn info_after_death(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let mut killed = vitals(cx);
    if killed.is_empty() {
        return Err(Stop::Skipped("a running instance has no process that could be killed".into()));
    }
    while !killed.is_empty() {
        killed.iter().for_each(Process::kill);
        thread::sleep(Duration::from_millis(2));
        killed = vitals(cx);
    }
    let mut last = String::new();
    let is_told = plan::wait(cx.suite.patience, || {
        last = state(&mut driver, &id).unwrap_or_else(|stop| stop.to_string());
        last != "running"
    });
    ensure!(is_told.is_some(), "all processes of the instance were killed, and info tells {last:?}");
    driver.ok("stop", &stop(&id))?;
    expect(&driver.ok("start", &start(&id))?, "running", "start after the processes were killed")
}

fn info_changes_nothing(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    for is_running in [false, true] {
        if is_running {
            driver.ok("start", &start(&id))?;
        }
        let (first, before) = (driver.ok("info", &of(&id))?, vitals(cx));
        for _ in 0..TIMES {
            let again = driver.ok("info", &of(&id))?;
            ensure!(again["state"] == first["state"], "info answered {first}, and then {again}");
        }
        let ended = ended(cx, &before);
        ensure!(ended.is_empty(), "info ended {ended:?}");
    }
    Ok(())
}

fn info_leaves_home(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let look = "find \"$HOME\" -type f | sort";
    let before = cx.sh(&id, look)?;
    driver.ok("info", &of(&id))?;
    let after = cx.sh(&id, look)?;
    ensure!(before == after, "before info the home held {before:?}, and after it {after:?}");
    Ok(())
}
