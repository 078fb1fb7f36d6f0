//! Drivers that end in the middle: by SIGKILL, SIGTERM, or the end of their stdin; and what outlives them.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::{Value, json};

use super::instances::{
    all, canaries, leave_stubborn, of_workspace, processes, session, state, stop, traces, wait_for_step,
};
use crate::{
    check::{Check, Need},
    client::{Driver, EXIT, Reply},
    cx::{Cx, FOREIGN, id_of, of, start},
    processes as machine,
    stop::{Stop, ensure},
    wait::until,
};

/// How many steps of a change are tried at most.
const STEPS: usize = 4;
/// How long a driver may take to exit after SIGTERM, by the protocol.
pub(super) const TERMINATED: Duration = Duration::from_secs(2);

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "robustness/killed-create",
        "what a killed create left can be listed and removed, at each step",
        &["LIFE-32", "LIFE-33", "LIST-05"],
        |cx| killed(cx, "create"),
    ),
    Check::new(
        "robustness/killed-start",
        "what a killed start left can be listed and removed, at each step",
        &["LIFE-32", "LIFE-33"],
        |cx| killed(cx, "start"),
    )
    .slow(),
    Check::new(
        "robustness/killed-stop",
        "what a killed stop left can be listed and removed, at each step",
        &["LIFE-32", "LIFE-33"],
        |cx| killed(cx, "stop"),
    )
    .slow(),
    Check::new(
        "robustness/killed-remove",
        "what a killed remove left can be listed and removed, at each step",
        &["LIFE-32", "LIFE-33", "LIST-05"],
        |cx| killed(cx, "remove"),
    )
    .slow(),
    Check::new(
        "robustness/killed-create-again",
        "a create after a killed one is not answered with half an instance",
        &["CREATE-10"],
        killed_create_again,
    )
    .slow(),
    Check::new(
        "robustness/terminated-idle",
        "a driver without work exits within 2 s of SIGTERM",
        &["LIFE-25"],
        terminated_idle,
    ),
    Check::new(
        "robustness/terminated-create",
        "SIGTERM rolls a create back within 2 s, at each step",
        &["LIFE-25"],
        |cx| terminated(cx, "create"),
    ),
    Check::new(
        "robustness/terminated-start",
        "SIGTERM rolls a start back within 2 s, at each step",
        &["LIFE-25"],
        |cx| terminated(cx, "start"),
    )
    .slow(),
    Check::new(
        "robustness/stdin-ends-in-stop",
        "after the end of stdin in a stop, info tells the truth",
        &["LIFE-24", "INFO-01"],
        |cx| stdin_ends(cx, "stop"),
    )
    .slow()
    .needs(&[Need::Capability("cancellation")]),
    Check::new(
        "robustness/stdin-ends-in-remove",
        "after the end of stdin in a remove, it can be finished",
        &["LIFE-24"],
        |cx| stdin_ends(cx, "remove"),
    )
    .needs(&[Need::Capability("cancellation")]),
    Check::new(
        "robustness/own-session",
        "what outlives the driver is in a session of its own",
        &["LIFE-29"],
        own_session,
    )
    .needs(&[Need::Linux, Need::Local]),
    Check::new(
        "robustness/stdout-ends",
        "stdout ends with the driver, whatever outlives it",
        &["LIFE-30"],
        stdout_ends,
    ),
    Check::new(
        "robustness/pipes-not-held",
        "what outlives the driver holds none of its pipes",
        &["LIFE-30"],
        pipes_not_held,
    )
    .needs(&[Need::Linux, Need::Local]),
    Check::new(
        "robustness/foreign-environment",
        "the processes of an instance do not have the driver's environment",
        &["LIFE-20"],
        foreign_environment,
    )
    .needs(&[Need::Linux, Need::Local]),
];

/// Brings a new instance to where a change can be sent; returns the params of the change.
fn prepare(driver: &mut Driver, workspace: &Value, method: &str) -> Result<Value, Stop> {
    if method == "create" {
        return Ok(workspace.clone());
    }
    let id = id_of(&driver.ok("create", workspace)?);
    Ok(match method {
        "start" => start(&id),
        "stop" => {
            driver.ok("start", &start(&id))?;
            stop(&id)
        }
        _ => of(&id),
    })
}

/// Sends a change and waits for its `nth` step: from 1, since at 0 it does not wait. `false`: it has no such step.
fn begin(driver: &mut Driver, method: &str, params: &Value, nth: usize) -> Result<bool, Stop> {
    let request = driver.request(method, params);
    match nth {
        0 => Ok(true),
        _ => wait_for_step(driver, request, nth - 1),
    }
}

/// Repeats what answers `busy`, since what the killed driver started may take a moment to end.
fn insist(cx: &Cx, driver: &mut Driver, method: &str, params: &Value) -> Result<Reply, Stop> {
    let mut last = Ok(Ok(Value::Null));
    until(cx.suite.patience, Duration::from_millis(20), || {
        last = driver.call(method, params);
        let is_busy = matches!(&last, Ok(Err(fault)) if fault.kind == "busy");
        (!is_busy).then_some(())
    });
    last
}

/// Lists what is left of a workspace, removes it, and looks whether anything remains.
fn wipe(cx: &Cx, workspace: &Value, texts: &[String], when: &str) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let left = driver.call("list", &json!({}))?;
    let left = left.map_err(|fault| Stop::Failed(format!("{when}, list answered {fault}")))?;
    for instance in left["instances"].as_array().into_iter().flatten() {
        let id = id_of(instance);
        for (method, params) in [("stop", stop(&id)), ("remove", of(&id))] {
            // What is broken need not be stopped.
            let may_fail = method == "stop" && instance["state"] != "running";
            let reply = insist(cx, &mut driver, method, &params)?;
            ensure!(
                reply.is_ok() || may_fail,
                "{when}, list told {instance}, and {method} answered {reply:?}"
            );
        }
    }
    let rest = all(&mut driver)?;
    ensure!(rest.is_empty(), "{when}, all was removed, and list has {rest:?}");
    let rest = of_workspace(&mut driver, workspace)?;
    ensure!(rest.is_empty(), "{when}, all was removed, and list of its workspace has {rest:?}");
    driver.shutdown()?;
    let rest = traces(cx, texts);
    ensure!(rest.is_empty(), "{when}, all was removed, and traces are left in {rest:?}");
    let rest = machine::wait(cx.suite.patience, || processes(cx));
    ensure!(rest.is_empty(), "{when}, all was removed, and {rest:?} are left");
    Ok(())
}

fn killed(cx: &Cx, method: &str) -> Result<(), Stop> {
    for nth in 0..=STEPS {
        let mut workspace = cx.slow_workspace();
        let texts = canaries(cx, &mut workspace);
        let mut driver = cx.open()?;
        let params = prepare(&mut driver, &workspace, method)?;
        let is_there = begin(&mut driver, method, &params, nth)?;
        driver.kill()?;
        wipe(cx, &workspace, &texts, &when("killed", method, nth))?;
        if !is_there {
            break;
        }
    }
    Ok(())
}

fn when(what: &str, method: &str, nth: usize) -> String {
    let step = if nth == 0 { "as soon as it was sent".into() } else { format!("in step {nth}") };
    format!("after the driver was {what} in {method} {step}")
}

fn killed_create_again(cx: &mut Cx) -> Result<(), Stop> {
    for nth in 0..=STEPS {
        let mut workspace = cx.slow_workspace();
        canaries(cx, &mut workspace);
        let mut driver = cx.open()?;
        let is_there = begin(&mut driver, "create", &workspace, nth)?;
        driver.kill()?;
        let mut driver = cx.open()?;
        if let Ok(instance) = insist(cx, &mut driver, "create", &workspace)? {
            let when = when("killed", "create", nth);
            ensure!(instance["state"] == "stopped", "{when}, create answered {instance}");
            let id = id_of(&instance);
            let reply = driver.call("start", &start(&id))?;
            ensure!(reply.is_ok(), "{when}, create answered {instance}, and start {reply:?}");
            if cx.declares("terminal") {
                let content = cx.sh(&id, "cat \"$HOME/.config/canary\" || true")?;
                ensure!(
                    content.starts_with("canary-"),
                    "{when}, create succeeded, and its file holds {content:?}"
                );
            }
        }
        if !is_there {
            break;
        }
    }
    Ok(())
}

fn terminate(driver: &mut Driver, when: &str) -> Result<(), Stop> {
    driver.signal(rustix::process::Signal::TERM);
    driver.exit(TERMINATED).map(drop).map_err(|stop| match stop {
        Stop::Failed(seen) => Stop::Failed(format!("{when}, {seen}")),
        stop => stop,
    })
}

fn terminated_idle(cx: &mut Cx) -> Result<(), Stop> {
    terminate(&mut cx.open()?, "after SIGTERM")
}

fn terminated(cx: &Cx, method: &str) -> Result<(), Stop> {
    for nth in 0..=STEPS {
        let mut workspace = cx.slow_workspace();
        let texts = canaries(cx, &mut workspace);
        let mut driver = cx.open()?;
        let params = prepare(&mut driver, &workspace, method)?;
        let is_there = begin(&mut driver, method, &params, nth)?;
        let when = when("terminated", method, nth);
        terminate(&mut driver, &when)?;
        // Either it was rolled back, or it was done first.
        let mut driver = cx.open()?;
        for instance in of_workspace(&mut driver, &workspace)? {
            let fits =
                instance["state"] == "stopped" || (method == "start" && instance["state"] == "running");
            ensure!(fits, "{when}, list has {instance}");
            if instance["state"] == "stopped" {
                let left = machine::wait(cx.suite.patience, || processes(cx));
                ensure!(left.is_empty(), "{when}, the instance is stopped, and {left:?} are left");
            }
        }
        driver.shutdown()?;
        wipe(cx, &workspace, &texts, &when)?;
        if !is_there {
            break;
        }
    }
    Ok(())
}

fn stdin_ends(cx: &Cx, method: &str) -> Result<(), Stop> {
    for nth in 0..=STEPS {
        let mut workspace = cx.slow_workspace();
        let texts = canaries(cx, &mut workspace);
        let mut driver = cx.open()?;
        let params = prepare(&mut driver, &workspace, method)?;
        let is_there = begin(&mut driver, method, &params, nth)?;
        driver.close_stdin();
        // Notifications prolong the patience of a host.
        driver.exit(EXIT * 6)?;
        let when = when("left alone", method, nth);
        let mut driver = cx.open()?;
        for instance in of_workspace(&mut driver, &workspace)? {
            let told = state(&mut driver, &id_of(&instance))?;
            let left = processes(cx);
            ensure!(
                told != "stopped" || left.is_empty(),
                "{when}, info tells {told:?}, and {left:?} are left"
            );
        }
        driver.shutdown()?;
        wipe(cx, &workspace, &texts, &when)?;
        if !is_there {
            break;
        }
    }
    Ok(())
}

/// Starts an instance and ends the driver; returns what is left of all that it started.
fn outlive(cx: &Cx) -> Result<Vec<machine::Process>, Stop> {
    let mut driver = cx.open()?;
    cx.running(&mut driver, &cx.workspace())?;
    driver.shutdown()?;
    Ok(machine::marked(cx.mark()))
}

fn own_session(cx: &mut Cx) -> Result<(), Stop> {
    let own = session(std::process::id());
    let left = outlive(cx)?;
    let inside: Vec<_> = left.iter().filter(|process| session(process.id) == own).collect();
    ensure!(inside.is_empty(), "these outlive the driver in the session of its host: {inside:?}");
    Ok(())
}

fn stdout_ends(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    cx.running(&mut driver, &cx.workspace())?;
    driver.ok("shutdown", &json!({}))?;
    driver.close_stdin();
    driver.exit(EXIT)?;
    driver.drain(TERMINATED)
}

/// What the descriptors of a process are, such as `pipe:[4711]`.
fn descriptors(id: u32, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let entries = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| entry.file_name().to_str().is_some_and(&wanted));
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.map(|target| target.display().to_string()).filter(|target| target.contains(":[")).collect()
}

fn pipes_not_held(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let pipes = descriptors(driver.pid(), |name| ["0", "1", "2"].contains(&name));
    cx.running(&mut driver, &cx.workspace())?;
    driver.shutdown()?;
    for process in machine::marked(cx.mark()) {
        let held: Vec<_> = descriptors(process.id, |_| true).intersection(&pipes).cloned().collect();
        ensure!(held.is_empty(), "{process:?} outlives the driver and holds its pipes {held:?}");
    }
    Ok(())
}

fn foreign_environment(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let _plan = if cx.declares("terminal") { Some(leave_stubborn(cx, &id)?) } else { None };
    let inside = processes(cx);
    if inside.is_empty() {
        return Err(Stop::Skipped("a running instance has no process with its environment".into()));
    }
    for process in inside {
        let has = process.environment().contains(&format!("\0{FOREIGN}="));
        ensure!(!has, "{process:?} of the instance has {FOREIGN} of the driver's environment");
    }
    Ok(())
}
