//! Requests that are given up: by notification, and by the end of stdin.

use std::time::Duration;

use serde_json::{Value, json};

use super::instances::{ATTEMPTS, of_workspace, processes, wait_for_step};
use crate::{
    check::{Check, Need},
    client::{Driver, Reply},
    cx::{Cx, id_of, of, start},
    processes as machine,
    stop::{Stop, ensure, fail},
};

const DECLARED: &[Need] = &[Need::Capability("cancellation")];
const SLOW: &[Need] = &[Need::Capability("cancellation"), Need::Fixture("slowOptions")];
/// How many steps of a change are tried at most.
const STEPS: usize = 6;
/// The patience of a host for a cancelled request, and for a driver at the end of its stdin.
const ROLLED_BACK: Duration = Duration::from_secs(10);
const EXITED: Duration = Duration::from_secs(5);

pub(super) const CHECKS: &[Check] = &[
    Check::new("cancellation/answered", "a cancelled create is answered in time", &["CANC-01"], answered)
        .needs(DECLARED),
    Check::new(
        "cancellation/create-rolled-back",
        "a cancelled create says so and leaves nothing, at each step",
        &["CANC-02", "CREATE-02"],
        create_rolled_back,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/create-takes-effect",
        "a create is cancelled at once, and not only once it is done",
        &["CANC-02"],
        create_takes_effect,
    )
    .needs(SLOW),
    Check::new(
        "cancellation/create-again",
        "what was cancelled can be created again",
        &["CREATE-02", "CREATE-10"],
        create_again,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/start-rolled-back",
        "a cancelled start says so and leaves the instance stopped, at each step",
        &["CANC-02", "START-02"],
        start_rolled_back,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/stop-tells-truth",
        "after a cancelled stop, info tells the truth",
        &["CANC-01", "INFO-01"],
        stop_tells_truth,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/remove-goes-on",
        "a cancelled remove leaves all or nothing",
        &["CANC-01"],
        remove_goes_on,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/fails-step",
        "the open step of a cancelled request fails",
        &["STEP-05"],
        fails_step,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/serves-others",
        "other requests are served while one is rolled back",
        &["CANC-03"],
        serves_others,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/reads-do-not-wait",
        "list and info do not wait behind a change",
        &["CONC-02"],
        reads_do_not_wait,
    )
    .needs(SLOW),
    Check::new(
        "cancellation/only-the-one",
        "other requests go on when one is cancelled",
        &["CANC-03"],
        only_the_one,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/unknown-id",
        "the cancellation of what is not running is ignored",
        &["CANC-04"],
        unknown_id,
    ),
    Check::new(
        "cancellation/finished-id",
        "the cancellation of what is done is ignored",
        &["CANC-04"],
        finished_id,
    ),
    Check::new(
        "cancellation/twice",
        "a request that is cancelled twice is answered once",
        &["CANC-04", "WIRE-19"],
        twice,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/not-declared",
        "without the capability, a cancellation is ignored",
        &["CANC-06"],
        not_declared,
    )
    .needs(&[Need::Without("cancellation")]),
    Check::new(
        "cancellation/end-of-stdin",
        "the end of stdin rolls a create back, at each step",
        &["LIFE-24"],
        end_of_stdin,
    )
    .needs(DECLARED),
    Check::new(
        "cancellation/end-of-stdin-start",
        "the end of stdin rolls a start back, at each step",
        &["LIFE-24"],
        end_of_stdin_start,
    )
    .slow()
    .needs(DECLARED),
];

/// Sends a request, cancels it when its `nth` step begins, and waits for the answer. `None`: it has no such step.
fn cancel_at(driver: &mut Driver, method: &str, params: &Value, nth: usize) -> Result<Option<Reply>, Stop> {
    let id = driver.request(method, params);
    let is_there = wait_for_step(driver, id, nth)?;
    if is_there {
        driver.cancel(id);
    }
    let reply = driver.answer_in_time(id, ROLLED_BACK)?;
    if let Err(fault) = &reply {
        ensure!(fault.kind == "cancelled", "a cancelled {method} answered {fault}");
    }
    Ok(is_there.then_some(reply))
}

fn nothing_left(cx: &Cx, driver: &mut Driver, workspace: &Value) -> Result<(), Stop> {
    let left = of_workspace(driver, workspace)?;
    ensure!(left.is_empty(), "create answered cancelled, and list has {left:?}");
    no_file_left(cx, workspace, "create answered cancelled")
}

fn no_file_left(cx: &Cx, workspace: &Value, when: &str) -> Result<(), Stop> {
    let id = workspace["workspaceId"].as_str().unwrap_or_default();
    let files = super::files::that_contain(&cx.storage(), id);
    ensure!(files.is_empty(), "{when}, and left {files:?} with the workspace id");
    Ok(())
}

fn answered(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = driver.new_id();
    let create = json!({"jsonrpc": "2.0", "id": id, "method": "create", "params": cx.slow_workspace()});
    let cancel = json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}});
    driver.raw(format!("{create}\n{cancel}\n").as_bytes());
    if let Err(fault) = driver.answer_in_time(id, ROLLED_BACK)? {
        ensure!(fault.kind == "cancelled", "a cancelled create answered {fault}");
    }
    Ok(())
}

fn create_rolled_back(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for nth in 0..STEPS {
        let workspace = cx.slow_workspace();
        match cancel_at(&mut driver, "create", &workspace, nth)? {
            Some(Err(_)) => nothing_left(cx, &mut driver, &workspace)?,
            Some(Ok(instance)) => {
                let listed = of_workspace(&mut driver, &workspace)?;
                ensure!(listed.len() == 1, "create answered with {instance}, and list has {listed:?}");
            }
            None => break,
        }
    }
    Ok(())
}

fn create_takes_effect(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for _ in 0..ATTEMPTS {
        let workspace = cx.slow_workspace();
        match cancel_at(&mut driver, "create", &workspace, 0)? {
            Some(Err(_)) => return nothing_left(cx, &mut driver, &workspace),
            Some(Ok(_)) => {}
            None => fail!("a create with the slow options of the fixture told no step"),
        }
    }
    fail!("{ATTEMPTS} creates that were cancelled in their first step went on to their end")
}

fn create_again(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let workspace = cx.slow_workspace();
    cancel_at(&mut driver, "create", &workspace, 0)?;
    let id = id_of(&driver.ok("create", &workspace)?);
    let listed = of_workspace(&mut driver, &workspace)?;
    ensure!(listed.len() == 1 && listed[0]["id"] == id, "created {id:?} again, and list has {listed:?}");
    driver.ok("start", &start(&id)).map(drop)
}

fn start_rolled_back(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.slow_workspace())?);
    for nth in 0..STEPS {
        let Some(reply) = cancel_at(&mut driver, "start", &start(&id), nth)? else { break };
        let state = driver.ok("info", &of(&id))?["state"].clone();
        let due = if reply.is_ok() { "running" } else { "stopped" };
        ensure!(
            state == due,
            "a start that was cancelled in step {nth} answered {reply:?}, and info tells {state}"
        );
        if reply.is_ok() {
            driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
        }
        let left = machine::wait(cx.suite.patience, || processes(cx));
        ensure!(left.is_empty(), "a start was cancelled in step {nth} or stopped, and left {left:?}");
    }
    driver.ok("start", &start(&id)).map(drop)
}

fn stop_tells_truth(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.slow_workspace())?;
    let reply = cancel_at(&mut driver, "stop", &json!({"id": id, "graceSeconds": 0}), 0)?;
    let state = driver.ok("info", &of(&id))?["state"].clone();
    if matches!(reply, Some(Ok(_))) {
        ensure!(state == "stopped", "a cancelled stop answered {reply:?}, and info tells {state}");
    }
    // Whatever is the truth, it can be acted on.
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    driver.ok("remove", &of(&id)).map(drop)
}

fn remove_goes_on(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let workspace = cx.slow_workspace();
    let id = id_of(&driver.ok("create", &workspace)?);
    let reply = cancel_at(&mut driver, "remove", &of(&id), 0)?;
    let left = of_workspace(&mut driver, &workspace)?;
    match reply {
        Some(Err(_)) if left.is_empty() => fail!("remove answered cancelled, and the instance is gone"),
        Some(Ok(_)) | None if !left.is_empty() => fail!("remove succeeded, and list has {left:?}"),
        _ => driver.ok("remove", &of(&id)).map(drop),
    }
}

fn fails_step(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    // Few, as a driver that is always done before is not wrong.
    for _ in 0..ATTEMPTS / 5 {
        let id = driver.request("create", &cx.slow_workspace());
        if !wait_for_step(&mut driver, id, 0)? {
            return Err(Stop::Skipped("create told no step".into()));
        }
        driver.cancel(id);
        if driver.answer_in_time(id, ROLLED_BACK)?.is_ok() {
            continue;
        }
        let events = driver.events(id);
        let last = events.iter().rev().find(|event| !event.step().is_empty());
        let last = last.map_or("", |event| event.step());
        ensure!(last == "fail", "create answered cancelled in an open step, whose last event is {last:?}");
        return Ok(());
    }
    Err(Stop::Skipped("create was done before it was cancelled".into()))
}

fn serves_others(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = driver.request("create", &cx.slow_workspace());
    driver.cancel(id);
    for _ in 0..3 {
        driver.ok("list", &json!({}))?;
    }
    driver.answer_in_time(id, ROLLED_BACK).map(drop)
}

fn reads_do_not_wait(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let other = id_of(&driver.ok("create", &cx.workspace())?);
    for _ in 0..ATTEMPTS {
        let id = driver.request("create", &cx.slow_workspace());
        let is_there = wait_for_step(&mut driver, id, 0)?;
        ensure!(is_there, "a create with the slow options of the fixture told no step");
        driver.ok("list", &json!({}))?;
        driver.ok("info", &of(&other))?;
        if !driver.unasked().iter().any(|message| message["id"] == id) {
            return Ok(());
        }
    }
    fail!("list and info were answered only after the create that was running, {ATTEMPTS} times")
}

fn ignored(driver: &mut Driver) -> Result<(), Stop> {
    driver.ok("list", &json!({}))?;
    let unasked = driver.unasked();
    ensure!(unasked.is_empty(), "a cancellation of what is not running was answered with {unasked:?}");
    Ok(())
}

fn only_the_one(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let (one, two) = (cx.slow_workspace(), cx.slow_workspace());
    let first = driver.request("create", &one);
    let second = driver.request("create", &two);
    driver.cancel(first);
    let answer = driver.answer(second)?;
    ensure!(answer.is_ok(), "of two creates one was cancelled, and the other answered {answer:?}");
    driver.answer_in_time(first, ROLLED_BACK).map(drop)
}

fn unknown_id(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for params in [json!({"id": 4711}), json!({"id": "text"}), json!({}), json!({"id": null})] {
        driver.notify("$/cancelRequest", &params);
    }
    ignored(&mut driver)
}

fn finished_id(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = driver.request("list", &json!({}));
    driver.answer(id)?.ok();
    driver.cancel(id);
    ignored(&mut driver)
}

fn twice(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = driver.request("create", &cx.slow_workspace());
    driver.cancel(id);
    driver.cancel(id);
    driver.answer_in_time(id, ROLLED_BACK)?.ok();
    driver.cancel(id);
    driver.ok("list", &json!({}))?;
    let more = driver.unasked();
    let more: Vec<_> = more.iter().filter(|message| message.get("method").is_none()).collect();
    ensure!(more.is_empty(), "a request that was cancelled twice was also answered with {more:?}");
    Ok(())
}

fn not_declared(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = driver.request("create", &cx.slow_workspace());
    driver.cancel(id);
    match driver.answer(id)? {
        Ok(_) => driver.shutdown(),
        Err(fault) => fail!("a create whose cancellation is to be ignored answered {fault}"),
    }
}

/// Closes stdin when the `nth` step of a request begins, and waits for the exit; `false`: it has no such step.
fn close_at(mut driver: Driver, id: u64, nth: usize) -> Result<bool, Stop> {
    let is_there = wait_for_step(&mut driver, id, nth)?;
    driver.close_stdin();
    if let Err(late) = driver.exit(EXITED) {
        driver.exit(EXITED * 5)?;
        // The host's patience begins anew with each notification; without one it is the plain 5 s.
        if !driver.unasked().iter().any(|message| message["params"]["requestId"] == id) {
            return Err(late);
        }
    }
    Ok(is_there)
}

/// What a create leaves when stdin ends in its `nth` step, and whether it has such a step.
fn end_in_create(cx: &mut Cx, nth: usize) -> Result<(Vec<Value>, bool), Stop> {
    let workspace = cx.slow_workspace();
    let mut driver = cx.open()?;
    let id = driver.request("create", &workspace);
    let is_there = close_at(driver, id, nth)?;
    let mut driver = cx.open()?;
    let left = of_workspace(&mut driver, &workspace)?;
    for instance in &left {
        ensure!(
            instance["state"] == "stopped",
            "the end of stdin in step {nth} of create left {instance}, neither whole nor gone"
        );
    }
    if left.is_empty() {
        no_file_left(cx, &workspace, &format!("stdin ended in step {nth} of create"))?;
    }
    Ok((left, is_there))
}

fn end_of_stdin(cx: &mut Cx) -> Result<(), Stop> {
    let is_slow = cx.suite.fixture.slow_options.is_some();
    let mut rolled_back = false;
    for _ in 0..ATTEMPTS {
        let (left, is_there) = end_in_create(cx, 0)?;
        rolled_back = left.is_empty() || !is_slow || !is_there;
        if rolled_back {
            break;
        }
    }
    ensure!(rolled_back, "the end of stdin in the first step of create left an instance, {ATTEMPTS} times");
    for nth in 1..STEPS {
        if !end_in_create(cx, nth)?.1 {
            break;
        }
    }
    Ok(())
}

/// The state that a start leaves when stdin ends in its `nth` step, and whether it has such a step.
fn end_in_start(cx: &mut Cx, instance: &str, nth: usize) -> Result<(Value, bool), Stop> {
    let mut driver = cx.open()?;
    let id = driver.request("start", &start(instance));
    let is_there = close_at(driver, id, nth)?;
    let mut driver = cx.open()?;
    let state = driver.ok("info", &of(instance))?["state"].clone();
    let fits = state == "stopped" || state == "running";
    ensure!(fits, "the end of stdin in step {nth} of start left the state {state}");
    driver.ok("stop", &json!({"id": instance, "graceSeconds": 0}))?;
    Ok((state, is_there))
}

fn end_of_stdin_start(cx: &mut Cx) -> Result<(), Stop> {
    let is_slow = cx.suite.fixture.slow_options.is_some();
    let instance = id_of(&cx.open()?.ok("create", &cx.slow_workspace())?);
    let mut rolled_back = false;
    for _ in 0..ATTEMPTS {
        let (state, is_there) = end_in_start(cx, &instance, 0)?;
        rolled_back = state == "stopped" || !is_slow || !is_there;
        if rolled_back {
            break;
        }
    }
    ensure!(rolled_back, "the end of stdin in the first step of start left it running, {ATTEMPTS} times");
    for nth in 1..STEPS {
        if !end_in_start(cx, &instance, nth)?.1 {
            break;
        }
    }
    Ok(())
}
