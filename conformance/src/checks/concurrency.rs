//! Several requests at once, and several processes of the driver on one storage folder or on several.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::instances::{all, of_workspace, state, stop, wait_for_step, with};
use crate::{
    check::Check,
    client::{Driver, Reply},
    cx::{Cx, id_of, of, random_id, start},
    host_ports,
    stop::{Stop, ensure},
};

/// How many processes race.
const RACERS: usize = 4;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "robustness/pipelined",
        "requests that come while others run are answered",
        &["CONC-01"],
        pipelined,
    ),
    Check::new(
        "robustness/start-and-remove",
        "of a start and a remove at once only one succeeds",
        &["CONC-03"],
        |cx| start_and_remove(cx, false),
    )
    .slow(),
    Check::new(
        "robustness/start-and-remove-apart",
        "of a start and a remove by two processes at once only one succeeds",
        &["CONC-04"],
        |cx| start_and_remove(cx, true),
    )
    .slow(),
    Check::new(
        "robustness/stop-and-start",
        "after a start and a stop at once the instance is in one piece",
        &["CONC-03"],
        stop_and_start,
    )
    .slow(),
    Check::new(
        "robustness/create-race",
        "processes that create one workspace at once make one instance",
        &["CONC-05"],
        create_race,
    ),
    Check::new(
        "robustness/name-race",
        "of processes that take one name at once only one gets it",
        &["IDEM-02"],
        name_race,
    ),
    Check::new(
        "robustness/list-other-process",
        "list tells what another process did since",
        &["CONC-06"],
        list_other_process,
    ),
    Check::new(
        "robustness/info-other-process",
        "info tells what another process did since, also when it was asked before",
        &["CONC-06"],
        info_other_process,
    ),
    Check::new(
        "robustness/list-while-changing",
        "list and info are right while another process changes other instances",
        &["CONC-06"],
        list_while_changing,
    )
    .slow(),
    Check::new(
        "robustness/new-process-each-time",
        "a whole life works when each call is made to a new process",
        &["LIFE-15"],
        new_process_each_time,
    )
    .slow(),
    Check::new(
        "robustness/same-after-restart",
        "a new process of the driver reports the same instances",
        &["LIFE-15"],
        same_after_restart,
    ),
    Check::new(
        "robustness/other-storage",
        "instances of another storage folder are not reported",
        &["LIFE-16"],
        other_storage,
    ),
    Check::new(
        "robustness/other-storage-untouched",
        "instances of another storage folder can't be changed",
        &["LIFE-16"],
        other_storage_untouched,
    ),
];

fn pipelined(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let running = cx.running(&mut driver, &cx.slow_workspace())?;
    let create = driver.request("create", &cx.slow_workspace());
    let stopping = driver.request("stop", &stop(&running));
    let mut requests = vec![create, stopping];
    for _ in 0..5 {
        requests.push(driver.request("list", &json!({})));
        requests.push(driver.request("info", &of(&running)));
        requests.push(driver.request("type", &json!({})));
    }
    for request in requests {
        if let Err(fault) = driver.answer(request)? {
            let is_busy = fault.kind == "busy" && request == stopping;
            ensure!(is_busy, "request {request} of several at once was answered with {fault}");
        }
    }
    Ok(())
}

/// What may come of a change while another one is under way.
fn is_fine(reply: &Reply, kinds: &[&str]) -> bool {
    reply.as_ref().map_or_else(|fault| fault.kind == "busy" || kinds.contains(&fault.kind.as_str()), |_| true)
}

fn start_and_remove(cx: &Cx, apart: bool) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut other = if apart { Some(cx.open()?) } else { None };
    for nth in 0..3 {
        let workspace = cx.slow_workspace();
        let id = id_of(&driver.ok("create", &workspace)?);
        let starting = driver.request("start", &start(&id));
        // Without a step, or with none so late, the remove comes first, or last; either is right.
        if nth > 0 {
            wait_for_step(&mut driver, starting, nth - 1)?;
        }
        let removed = match &mut other {
            Some(other) => other.call("remove", &of(&id))?,
            None => driver.call("remove", &of(&id))?,
        };
        let started = driver.answer(starting)?;
        ensure!(
            is_fine(&started, &["instance_not_found"]) && is_fine(&removed, &["invalid_state"]),
            "a start and a remove at once answered {started:?} and {removed:?}"
        );
        ensure!(
            started.is_err() || removed.is_err(),
            "a start and a remove of one instance at once both succeeded: {started:?}, {removed:?}"
        );
        let left = of_workspace(&mut driver, &workspace)?;
        ensure!(
            left.is_empty() == removed.is_ok(),
            "a remove at the same time as a start answered {removed:?}, and list has {left:?}"
        );
    }
    Ok(())
}

fn stop_and_start(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.slow_workspace())?;
    let calls = [("stop", stop(&id)), ("start", start(&id)), ("stop", stop(&id)), ("start", start(&id))];
    let requests = calls.map(|(method, params)| (method, driver.request(method, &params)));
    for (method, request) in requests {
        let reply = driver.answer(request)?;
        ensure!(is_fine(&reply, &[]), "{method}, of four changes at once, answered {reply:?}");
    }
    let told = state(&mut driver, &id)?;
    ensure!(told == "running" || told == "stopped", "after four changes at once info tells {told:?}");
    driver.ok("stop", &stop(&id))?;
    driver.ok("start", &start(&id))?;
    let told = state(&mut driver, &id)?;
    ensure!(told == "running", "after four changes at once, a stop and a start info tells {told:?}");
    Ok(())
}

/// Sends a `create` to each of several processes at once; returns the answers.
fn race(drivers: &mut [Driver], workspaces: &[Value]) -> Result<Vec<Reply>, Stop> {
    let requests: Vec<u64> =
        drivers.iter_mut().zip(workspaces).map(|(driver, w)| driver.request("create", w)).collect();
    drivers.iter_mut().zip(requests).map(|(driver, request)| driver.answer(request)).collect()
}

fn open_all(cx: &Cx) -> Result<Vec<Driver>, Stop> {
    (0..RACERS).map(|_| cx.open()).collect()
}

fn create_race(cx: &mut Cx) -> Result<(), Stop> {
    let mut drivers = open_all(cx)?;
    for workspace in [cx.workspace(), cx.slow_workspace()] {
        let replies = race(&mut drivers, &vec![workspace.clone(); RACERS])?;
        for reply in &replies {
            ensure!(
                is_fine(reply, &[]),
                "one of {RACERS} creates of one workspace at once answered {reply:?}"
            );
        }
        let mut ids: Vec<_> = replies.iter().flatten().map(id_of).collect();
        ids.sort_unstable();
        ids.dedup();
        let listed = of_workspace(&mut drivers[0], &workspace)?;
        let is_one = ids.len() <= 1 && listed.len() <= 1 && listed.iter().map(id_of).eq(ids.iter().cloned());
        ensure!(
            is_one,
            "{RACERS} creates of one workspace answered the ids {ids:?}, and list has {listed:?}"
        );
    }
    Ok(())
}

fn name_race(cx: &mut Cx) -> Result<(), Stop> {
    let mut drivers = open_all(cx)?;
    let workspace = cx.slow_workspace();
    let same_name = || with(workspace.clone(), "workspaceId", json!(random_id()));
    let replies = race(&mut drivers, &(0..RACERS).map(|_| same_name()).collect::<Vec<_>>())?;
    for reply in &replies {
        let fits = is_fine(reply, &["already_exists"]);
        ensure!(fits, "one of {RACERS} creates with one name at once answered {reply:?}");
    }
    let made = replies.iter().filter(|reply| reply.is_ok()).count();
    let listed = all(&mut drivers[0])?;
    let is_one = made <= 1 && listed.len() == made;
    ensure!(is_one, "{made} of {RACERS} creates with one name at once succeeded, and list has {listed:?}");
    Ok(())
}

/// The states that `list` tells.
fn listed(driver: &mut Driver) -> Result<Vec<String>, Stop> {
    let all = all(driver)?;
    Ok(all.iter().map(|instance| instance["state"].as_str().unwrap_or_default().to_owned()).collect())
}

fn list_other_process(cx: &mut Cx) -> Result<(), Stop> {
    let (mut watcher, mut other) = (cx.open()?, cx.open()?);
    let mut seen = |what: &str, due: &[&str]| {
        let states = listed(&mut watcher)?;
        ensure!(states == due, "another process {what}, and list tells the states {states:?}");
        Ok(())
    };
    seen("did nothing", &[])?;
    let id = id_of(&other.ok("create", &cx.workspace())?);
    seen("created an instance", &["stopped"])?;
    other.ok("start", &start(&id))?;
    seen("started it", &["running"])?;
    other.ok("stop", &stop(&id))?;
    seen("stopped it", &["stopped"])?;
    other.ok("remove", &of(&id))?;
    seen("removed it", &[])
}

fn info_other_process(cx: &mut Cx) -> Result<(), Stop> {
    let (mut watcher, mut other) = (cx.open()?, cx.open()?);
    let id = id_of(&other.ok("create", &cx.workspace())?);
    for (method, params, due) in
        [("info", of(&id), "stopped"), ("start", start(&id), "running"), ("stop", stop(&id), "stopped")]
    {
        other.ok(method, &params)?;
        let told = state(&mut watcher, &id)?;
        ensure!(told == due, "another process made the instance {due}, and info tells {told:?}");
    }
    Ok(())
}

fn list_while_changing(cx: &mut Cx) -> Result<(), Stop> {
    let (mut watcher, mut other) = (cx.open()?, cx.open()?);
    let steady = watcher.ok("create", &cx.workspace())?;
    for _ in 0..3 {
        let workspace = cx.slow_workspace();
        let mut calls = vec![("create", workspace)];
        while let Some((method, params)) = calls.pop() {
            let request = other.request(method, &params);
            for _ in 0..3 {
                let all = all(&mut watcher)?;
                let found: Vec<_> = all.iter().filter(|instance| instance["id"] == steady["id"]).collect();
                ensure!(found == [&steady], "while another process did a {method}, list had {all:?}");
                let info = watcher.ok("info", &of(&id_of(&steady)))?;
                ensure!(info == steady, "while another process did a {method}, info told {info}");
            }
            let reply = other.answer(request)?;
            let result = reply.map_err(|fault| Stop::Failed(format!("{method} answered {fault}")))?;
            if method == "create" {
                let id = id_of(&result);
                calls = vec![("remove", of(&id)), ("stop", stop(&id)), ("start", start(&id))];
            }
        }
    }
    Ok(())
}

fn new_process_each_time(cx: &mut Cx) -> Result<(), Stop> {
    let call = |method: &str, params: &Value| {
        let mut driver = cx.open()?;
        let result = driver.ok(method, params)?;
        driver.shutdown().map(|()| result)
    };
    let workspace = cx.workspace();
    let created = call("create", &workspace)?;
    let id = id_of(&created);
    for (method, params, due) in [
        ("info", of(&id), "stopped"),
        ("create", workspace, "stopped"),
        ("start", start(&id), "running"),
        ("info", of(&id), "running"),
        ("start", start(&id), "running"),
        ("stop", stop(&id), "stopped"),
        ("info", of(&id), "stopped"),
    ] {
        let answer = call(method, &params)?;
        ensure!(answer["state"] == due && answer["id"] == created["id"], "{method} answered {answer}");
    }
    call("remove", &of(&id))?;
    let left = call("list", &json!({}))?;
    ensure!(left["instances"].as_array().is_none_or(Vec::is_empty), "after remove list answered {left}");
    Ok(())
}

fn same_after_restart(cx: &mut Cx) -> Result<(), Stop> {
    let mut workspace = cx.workspace();
    if cx.declares("ports") {
        workspace["ports"] = json!([{"target": 8080}]);
    }
    let mut driver = cx.open()?;
    let alone = host_ports::alone();
    cx.running(&mut driver, &workspace)?;
    drop(alone);
    driver.ok("create", &cx.workspace())?;
    let before = told(&mut driver)?;
    for how in ["a shutdown", "a kill"] {
        if how == "a kill" {
            driver.kill()?;
        } else {
            driver.shutdown()?;
        }
        driver = cx.open()?;
        let after = told(&mut driver)?;
        ensure!(before == after, "before {how} info told {before:?}, and in a new process {after:?}");
    }
    Ok(())
}

/// What `info` tells of each instance that is listed, by id.
fn told(driver: &mut Driver) -> Result<BTreeMap<String, Value>, Stop> {
    let ids: Vec<_> = all(driver)?.iter().map(id_of).collect();
    ids.into_iter().map(|id| Ok((id.clone(), driver.ok("info", &of(&id))?))).collect()
}

fn other_storage(cx: &mut Cx) -> Result<(), Stop> {
    let elsewhere = cx.other_storage();
    let (mut driver, mut other) = (cx.open()?, cx.open_in(&elsewhere)?);
    let workspace = cx.workspace();
    let id = id_of(&driver.ok("create", &workspace)?);
    other.refused("info", &of(&id), "instance_not_found")?;
    for listed in [all(&mut other)?, of_workspace(&mut other, &workspace)?] {
        ensure!(listed.is_empty(), "list in another storage folder has {listed:?}");
    }
    // The other one may well use the same ids.
    let own = other.ok("create", &cx.workspace())?;
    let listed = all(&mut other)?;
    ensure!(listed == [own], "another storage folder has one instance, and list there {listed:?}");
    Ok(())
}

fn other_storage_untouched(cx: &mut Cx) -> Result<(), Stop> {
    let elsewhere = cx.other_storage();
    let (mut driver, mut other) = (cx.open()?, cx.open_in(&elsewhere)?);
    let id = cx.running(&mut driver, &cx.workspace())?;
    for (method, params) in [("start", start(&id)), ("stop", stop(&id))] {
        other.refused(method, &params, "instance_not_found")?;
    }
    other.ok("remove", &of(&id))?;
    let told = state(&mut driver, &id)?;
    ensure!(told == "running", "it was removed in another storage folder, and info tells {told:?}");
    Ok(())
}
