//! What a repeated request does: each rule several times over.

use serde_json::{Value, json};

use super::{
    files,
    instances::{TIMES, all, ended, leave_stubborn, of_workspace, state, stop, vitals, with},
};
use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, of, random_id, start},
    stop::{Stop, ensure},
};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "lifecycle/create-again",
        "a known workspace is answered with its instance, and made once",
        &["IDEM-01"],
        create_again,
    ),
    Check::new(
        "lifecycle/create-again-running",
        "a create of a known workspace does not disturb its running instance",
        &["IDEM-01"],
        create_again_running,
    ),
    Check::new(
        "lifecycle/create-taken-name",
        "the name of another instance is refused",
        &["IDEM-02"],
        create_taken_name,
    ),
    Check::new(
        "lifecycle/create-freed-name",
        "the name of a removed instance is free",
        &["REMOVE-03"],
        create_freed_name,
    ),
    Check::new(
        "lifecycle/start-again",
        "a start of a running instance is answered with it",
        &["IDEM-03"],
        start_again,
    ),
    Check::new(
        "lifecycle/start-again-disturbs-nothing",
        "a start of a running instance leaves its processes alone",
        &["IDEM-03"],
        start_again_disturbs_nothing,
    )
    .needs(&[Need::Linux, Need::Local]),
    Check::new(
        "lifecycle/stop-again",
        "a stop of a stopped instance is answered with it",
        &["IDEM-04"],
        stop_again,
    )
    .slow(),
    Check::new(
        "lifecycle/stop-never-started",
        "a stop of an instance that never ran is answered with it",
        &["IDEM-04"],
        stop_never_started,
    ),
    Check::new(
        "lifecycle/remove-again",
        "a remove of a removed instance succeeds",
        &["IDEM-05"],
        remove_again,
    ),
    Check::new(
        "lifecycle/remove-unknown",
        "a remove of an unknown id succeeds",
        &["IDEM-05"],
        remove_unknown,
    ),
    Check::new("lifecycle/start-unknown", "start knows no unknown id", &["IDEM-06"], |cx| {
        unknown(cx, "start", start)
    }),
    Check::new("lifecycle/stop-unknown", "stop knows no unknown id", &["IDEM-06"], |cx| {
        unknown(cx, "stop", stop)
    }),
    Check::new("lifecycle/info-unknown", "info knows no unknown id", &["IDEM-06"], |cx| {
        unknown(cx, "info", of)
    }),
    Check::new(
        "robustness/hostile-ids",
        "an id that looks like a path reaches no file",
        &["REMOVE-04", "IDEM-05"],
        hostile_ids,
    ),
];

fn same(answer: &Value, instance: &Value, what: &str) -> Result<(), Stop> {
    ensure!(answer == instance, "{what} answered {answer}, and not {instance}");
    Ok(())
}

fn one_listed(driver: &mut Driver, workspace: &Value) -> Result<(), Stop> {
    for listed in [all(driver)?, of_workspace(driver, workspace)?] {
        ensure!(listed.len() == 1, "one workspace was created, and list has {listed:?}");
    }
    Ok(())
}

fn create_again(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let workspace = cx.workspace();
    let instance = driver.ok("create", &workspace)?;
    for _ in 0..TIMES {
        same(&driver.ok("create", &workspace)?, &instance, "create of a known workspace")?;
    }
    driver.shutdown()?;
    let mut driver = cx.open()?;
    same(&driver.ok("create", &workspace)?, &instance, "create of a known workspace in a new process")?;
    one_listed(&mut driver, &workspace)
}

fn create_again_running(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let workspace = cx.workspace();
    let id = cx.running(&mut driver, &workspace)?;
    let (instance, before) = (driver.ok("info", &of(&id))?, vitals(cx));
    for _ in 0..TIMES {
        same(&driver.ok("create", &workspace)?, &instance, "create of a running workspace")?;
    }
    same(&driver.ok("info", &of(&id))?, &instance, "info after create of a running workspace")?;
    let ended = ended(cx, &before);
    ensure!(ended.is_empty(), "create of a running workspace ended {ended:?}");
    one_listed(&mut driver, &workspace)
}

fn create_taken_name(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let workspace = cx.workspace();
    let instance = driver.ok("create", &workspace)?;
    for _ in 0..TIMES {
        let other = with(workspace.clone(), "workspaceId", json!(random_id()));
        driver.refused("create", &other, "already_exists")?;
    }
    same(&driver.ok("info", &of(&id_of(&instance)))?, &instance, "info after a create with its name")?;
    one_listed(&mut driver, &workspace)
}

fn create_freed_name(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut workspace = cx.workspace();
    for _ in 0..3 {
        let instance = driver.ok("create", &workspace)?;
        driver.ok("remove", &of(&id_of(&instance)))?;
        workspace = with(workspace, "workspaceId", json!(random_id()));
    }
    // The workspace id, too.
    driver.ok("create", &workspace)?;
    one_listed(&mut driver, &workspace)
}

fn start_again(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    for at in 0..TIMES {
        let again = driver.ok("start", &start(&id))?;
        ensure!(again["state"] == "running" && again["id"] == id, "start {} answered {again}", at + 2);
    }
    let state = state(&mut driver, &id)?;
    ensure!(state == "running", "info tells {state:?} after several starts");
    Ok(())
}

fn start_again_disturbs_nothing(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let _plan = if cx.declares("terminal") { Some(leave_stubborn(cx, &id)?) } else { None };
    let before = vitals(cx);
    for _ in 0..TIMES {
        driver.ok("start", &start(&id))?;
    }
    let ended = ended(cx, &before);
    ensure!(ended.is_empty(), "start of a running instance ended {ended:?}");
    Ok(())
}

fn stop_again(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    for at in 0..TIMES {
        let again = driver.ok("stop", &stop(&id))?;
        ensure!(again["state"] == "stopped" && again["id"] == id, "stop {} answered {again}", at + 1);
    }
    driver.ok("start", &start(&id)).map(drop)
}

fn stop_never_started(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let instance = driver.ok("create", &cx.workspace())?;
    for _ in 0..TIMES {
        let again = driver.ok("stop", &of(&id_of(&instance)))?;
        same(&again, &instance, "stop of an instance that never ran")?;
    }
    Ok(())
}

fn remove_again(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let [keep, id] = [driver.ok("create", &cx.workspace())?, driver.ok("create", &cx.workspace())?];
    for _ in 0..TIMES {
        driver.ok("remove", &of(&id_of(&id)))?;
    }
    driver.shutdown()?;
    let mut driver = cx.open()?;
    driver.ok("remove", &of(&id_of(&id)))?;
    let listed = all(&mut driver)?;
    ensure!(listed == [keep], "one of two instances was removed several times, and list has {listed:?}");
    Ok(())
}

fn remove_unknown(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let instance = driver.ok("create", &cx.workspace())?;
    for at in 0..TIMES {
        driver.ok("remove", &json!({"id": format!("unknown-{at}")}))?;
    }
    let listed = all(&mut driver)?;
    ensure!(listed == [instance], "unknown ids were removed, and list has {listed:?}");
    Ok(())
}

fn unknown(cx: &Cx, method: &str, params: fn(&str) -> Value) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.refused(method, &params("unknown-0"), "instance_not_found")?;
    let instance = id_of(&driver.ok("create", &cx.workspace())?);
    for at in 0..TIMES {
        driver.refused(method, &params(&format!("unknown-{at}")), "instance_not_found")?;
    }
    for near in [&instance[..instance.len() - 1], &format!("{instance}0")] {
        driver.refused(method, &params(near), "instance_not_found")?;
    }
    driver.ok("remove", &of(&instance))?;
    driver.refused(method, &params(&instance), "instance_not_found").map(drop)
}

/// Ids that some driver might join to a path. They do not have the form of an id, and so may also be refused as params.
fn hostile_ids(cx: &mut Cx) -> Result<(), Stop> {
    cx.write("sources/precious", "content")?;
    cx.write("storage-1/precious", "content")?;
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    let before = files::tree(&cx.sources());
    let absolute = cx.sources().display().to_string();
    let ids =
        ["..", ".", "", "../sources", "../../sources", &absolute, "*", &format!("./{id}"), "-rf", "a\nb"];
    for hostile in ids {
        for (method, params) in [("info", of(hostile)), ("start", start(hostile)), ("stop", stop(hostile))] {
            driver.refused_with(method, &params, &["instance_not_found", "invalid_params"])?;
        }
        let reply = driver.call("remove", &of(hostile))?;
        let is_fine = reply.as_ref().map_or_else(|fault| fault.kind == "invalid_params", |_| true);
        ensure!(is_fine, "remove of the id {hostile:?} answered {reply:?}");
        let there = files::tree(&cx.sources()) == before && cx.dir().join("storage-1/precious").exists();
        ensure!(there, "remove of the id {hostile:?} took files beside the storage folder with it");
        ensure!(all(&mut driver)?.len() == 1, "remove of the id {hostile:?} removed the instance {id:?}");
    }
    Ok(())
}
