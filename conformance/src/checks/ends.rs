//! What `stop` and `remove` end, what they leave, and what they leave alone.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::{
    files,
    instances::{all, canaries, ended, leave_stubborn, processes, state, stop, stored, traces, vitals},
};
use crate::{
    check::{Check, Need},
    cx::{Cx, id_of, of, start},
    processes as machine,
    stop::{Stop, ensure},
};

const TERMINAL: &[Need] = &[Need::Capability("terminal")];
const PROCESSES: &[Need] = &[Need::Linux, Need::Local];
const COMMANDS: &[Need] = &[Need::Capability("terminal"), Need::Linux, Need::Local];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "lifecycle/failed-start-leaves-no-process",
        "a start that fails leaves no process, and the instance stopped",
        &["START-02"],
        failed_start,
    )
    .needs(PROCESSES),
    Check::new("lifecycle/home-kept", "what is in the home outlives a stop", &["START-06"], home_kept)
        .slow()
        .needs(TERMINAL),
    Check::new(
        "lifecycle/stop-ends-processes",
        "all processes are gone when stop is answered",
        &["STOP-01"],
        stop_ends_processes,
    )
    .needs(COMMANDS),
    Check::new(
        "lifecycle/stop-kills-at-once",
        "a stop with no grace kills what does not want to end",
        &["STOP-03"],
        |cx| stop_kills(cx, 0),
    )
    .needs(COMMANDS),
    Check::new(
        "lifecycle/stop-kills-after-grace",
        "a stop kills what has not ended after the grace",
        &["STOP-03"],
        |cx| stop_kills(cx, 1),
    )
    .needs(COMMANDS)
    .slow(),
    Check::new(
        "lifecycle/stop-in-time",
        "stop is answered within 10 s after the grace",
        &["STOP-04"],
        stop_in_time,
    ),
    Check::new(
        "lifecycle/remove-running",
        "a running instance is not removed, and runs on",
        &["REMOVE-01"],
        remove_running,
    ),
    Check::new(
        "lifecycle/remove",
        "a stopped instance can be removed, whether or not it ever ran",
        &["REMOVE-02"],
        remove,
    ),
    Check::new(
        "lifecycle/remove-leaves-nothing",
        "nothing of a removed instance is left in the storage folder",
        &["REMOVE-03"],
        remove_leaves_nothing,
    )
    .slow(),
    Check::new(
        "lifecycle/sources-untouched",
        "a whole life changes nothing in the sources",
        &["REMOVE-04"],
        sources_untouched,
    ),
];

fn failed_start(cx: &mut Cx) -> Result<(), Stop> {
    let mut workspace = cx.workspace();
    let sources = cx.dir().join("fleeting");
    fs::create_dir(&sources)?;
    workspace["sourcePath"] = json!(sources);
    if cx.declares("secretEnvironment") {
        workspace["environment"] =
            json!([workspace["environment"][0], {"name": "KDN_SECRET", "secret": "absent"}]);
    }
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    let mut with_value = start(&id);
    with_value["secretValues"] = json!({"absent": "value"});
    let unknown_mode = json!({"id": id, "network": {"mode": "filter"}, "secretValues": {"absent": "value"}});
    for (why, params) in [
        ("the network mode is unknown", unknown_mode),
        ("a secret has no value", start(&id)),
        ("the sources are gone", with_value),
    ] {
        if why == "the sources are gone" {
            fs::remove_dir(&sources)?;
        }
        if driver.call("start", &params)?.is_ok() {
            driver.ok("stop", &stop(&id))?;
            continue;
        }
        let left = machine::wait(cx.suite.patience, || processes(cx));
        ensure!(left.is_empty(), "start failed because {why}, and left {left:?}");
        let state = state(&mut driver, &id)?;
        ensure!(state != "running", "start failed because {why}, and info tells {state:?}");
    }
    Ok(())
}

fn home_kept(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    cx.sh(&id, "mkdir -p \"$HOME/.deep\" && echo kept > \"$HOME/.deep/file\"")?;
    driver.ok("stop", &of(&id))?;
    driver.ok("start", &start(&id))?;
    let text = cx.sh(&id, "cat \"$HOME/.deep/file\" || true")?;
    ensure!(text == "kept\n", "a file in the home held {text:?} after stop and start");
    Ok(())
}

fn stop_ends_processes(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let _plan = leave_stubborn(cx, &id)?;
    ensure!(!processes(cx).is_empty(), "no process has the environment of the instance that runs");
    driver.ok("stop", &stop(&id))?;
    let left = processes(cx);
    ensure!(left.is_empty(), "stop succeeded while {left:?} were there");
    Ok(())
}

fn stop_kills(cx: &mut Cx, grace: u64) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let _plan = leave_stubborn(cx, &id)?;
    let request = driver.request("stop", &json!({"id": id, "graceSeconds": grace}));
    let within = Duration::from_secs(grace) + cx.suite.patience * 2;
    let reply = driver.answer_within(request, within)?;
    ensure!(reply.is_ok(), "stop with {grace} s of grace answered {reply:?}");
    let left = processes(cx);
    ensure!(left.is_empty(), "stop with {grace} s of grace succeeded while {left:?} were there");
    Ok(())
}

fn stop_in_time(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let request = driver.request("stop", &stop(&id));
    let reply = driver.answer_in_time(request, Duration::from_secs(10))?;
    ensure!(reply.is_ok(), "stop answered {reply:?}");
    Ok(())
}

fn remove_running(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let before = vitals(cx);
    driver.refused("remove", &of(&id), "invalid_state")?;
    let state = state(&mut driver, &id)?;
    ensure!(state == "running", "a remove was refused, and info tells {state:?}");
    let ended = ended(cx, &before);
    ensure!(ended.is_empty(), "a remove that was refused ended {ended:?}");
    Ok(())
}

fn remove(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for has_run in [false, true] {
        let id = id_of(&driver.ok("create", &cx.workspace())?);
        if has_run {
            driver.ok("start", &start(&id))?;
            driver.ok("stop", &stop(&id))?;
        }
        driver.ok("remove", &of(&id))?;
        driver.refused("info", &of(&id), "instance_not_found")?;
        let left = all(&mut driver)?;
        ensure!(left.is_empty(), "the only instance was removed, and list has {left:?}");
    }
    driver.shutdown()
}

/// A whole life in a session of its own.
fn live(cx: &Cx, workspace: &Value) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, workspace)?;
    if cx.declares("terminal") {
        cx.sh(&id, "echo used > \"$HOME/used\"")?;
    }
    driver.ok("stop", &stop(&id))?;
    driver.ok("remove", &of(&id))?;
    driver.shutdown()
}

fn remove_leaves_nothing(cx: &mut Cx) -> Result<(), Stop> {
    // After the first life, the driver has made what it keeps for itself.
    live(cx, &cx.workspace())?;
    let before = stored(cx);
    for _ in 0..2 {
        let mut workspace = cx.workspace();
        let texts = canaries(cx, &mut workspace);
        live(cx, &workspace)?;
        let left = traces(cx, &texts);
        ensure!(left.is_empty(), "remove left traces of the workspace in {left:?}");
    }
    let new: Vec<_> = stored(cx).difference(&before).cloned().collect();
    ensure!(new.is_empty(), "remove left {new:?} in the storage folder");
    Ok(())
}

/// Fills a folder with all that can be broken there.
fn furnish(cx: &Cx, folder: &str) -> Result<(), Stop> {
    let script = cx.write(&format!("{folder}/bin/tool"), "#!/bin/sh\n")?;
    cx.write(&format!("{folder}/.git/HEAD"), "ref: refs/heads/main\n")?;
    cx.write(&format!("{folder}/deep/er/file"), [0_u8, 255, 10])?;
    let outside = cx.write("outside/file", "of nobody's business")?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::os::unix::fs::symlink(outside, cx.dir().join(folder).join("link"))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        fs::set_permissions(cx.dir().join(folder).join("deep/er/file"), fs::Permissions::from_mode(0o440))?;
    }
    Ok(())
}

fn untouched(cx: &Cx, folder: &str, workspace: &Value) -> Result<(), Stop> {
    furnish(cx, folder)?;
    let look = || (files::belongings(&cx.dir().join(folder)), files::belongings(&cx.dir().join("outside")));
    let before = look();
    live(cx, workspace)?;
    let after = look();
    for (path, is) in before.0.iter().chain(&before.1) {
        let now = after.0.get(path).or_else(|| after.1.get(path));
        ensure!(now == Some(is), "{} was {is:?}, and is {now:?} after remove", path.display());
    }
    let new: Vec<_> = after.0.keys().filter(|path| !before.0.contains_key(*path)).collect();
    ensure!(new.is_empty(), "after remove there are {new:?}");
    Ok(())
}

fn sources_untouched(cx: &mut Cx) -> Result<(), Stop> {
    untouched(cx, "sources", &cx.workspace())
}
