//! The methods `status`, `listAgents` and `dashboard`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, initialize, of},
    processes,
    stop::{Stop, ensure, fail},
};

pub(super) const CHECKS: &[Check] = &[
    Check::new("status/states", "status tells one of the three states", &["STAT-01"], states)
        .needs(&[Need::Capability("status")]),
    Check::new("status/only-looks", "status starts nothing that stays", &["STAT-02"], only_looks)
        .needs(&[Need::Capability("status"), Need::Linux]),
    Check::new("status/says-why", "unavailable comes with a reason and a hint", &["STAT-03"], says_why)
        .needs(&[Need::Capability("status")]),
    Check::new("agents/once", "no agent is named twice", &["AGENT-01"], once)
        .needs(&[Need::Capability("agents")]),
    Check::new("agents/unknown", "a workspace for an unknown agent is refused", &["AGENT-02"], unknown)
        .needs(&[Need::Capability("agents")]),
    Check::new("dashboard/url", "the dashboard has an http or https URL", &["DASH-01"], url)
        .needs(&[Need::Capability("dashboard")]),
    Check::new("dashboard/stopped", "there is no dashboard of a stopped instance", &["DASH-02"], stopped)
        .needs(&[Need::Capability("dashboard")]),
];

/// The status, with the backend and, where the fixture tells how, without it.
fn statuses(cx: &Cx) -> Result<Vec<Value>, Stop> {
    let mut all = Vec::new();
    let mut bare = cx.launch();
    bare.env.extend(cx.suite.fixture.without_backend.clone());
    for launch in [cx.launch(), bare] {
        let mut driver = Driver::start(&launch)?;
        driver.ok("initialize", &initialize(&cx.storage()))?;
        all.push(driver.ok("status", &json!({}))?);
        driver.shutdown()?;
    }
    Ok(all)
}

fn states(cx: &mut Cx) -> Result<(), Stop> {
    for status in statuses(cx)? {
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(
            ["ready", "starting", "unavailable"].contains(&state),
            "status told the state {}",
            status["state"]
        );
    }
    Ok(())
}

fn only_looks(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for _ in 0..3 {
        driver.ok("status", &json!({}))?;
    }
    driver.shutdown()?;
    let left = processes::wait_until_gone(cx.mark(), cx.suite.patience);
    let left: Vec<&str> = left.iter().map(|process| process.command.as_str()).collect();
    ensure!(left.is_empty(), "after status, these processes stayed: {}", left.join(", "));
    Ok(())
}

fn says_why(cx: &mut Cx) -> Result<(), Stop> {
    let mut seen = false;
    for status in statuses(cx)?.iter().filter(|status| status["state"] == "unavailable") {
        let has_reason = status["reason"].as_str().is_some_and(|reason| !reason.is_empty());
        let has_hint = status["hints"].as_array().is_some_and(|hints| !hints.is_empty());
        ensure!(has_reason && has_hint, "status told {status}, without a reason or without a hint");
        seen = true;
    }
    if seen { Ok(()) } else { Err(Stop::Skipped("the backend is there".into())) }
}

fn agents(driver: &mut Driver) -> Result<Vec<String>, Stop> {
    let agents = driver.ok("listAgents", &json!({}))?["agents"].clone();
    let names = agents.as_array().into_iter().flatten().filter_map(|agent| agent["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

fn once(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut seen = BTreeSet::new();
    for name in agents(&mut driver)? {
        ensure!(seen.insert(name.clone()), "listAgents names {name:?} twice");
    }
    driver.shutdown()
}

fn unknown(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut workspace = cx.workspace();
    workspace["agent"] = json!({"name": "kdn-check-no-such-agent"});
    let fault = driver.refused("create", &workspace, "invalid_workspace")?;
    ensure!(
        fault.field_path() == "agent.name",
        "create for an unknown agent answered {fault}, with the field path {:?}",
        fault.field_path()
    );
    driver.shutdown()
}

fn url(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    match driver.call("dashboard", &of(&id))? {
        Ok(result) => {
            let url = result["url"].as_str().unwrap_or_default();
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
            ensure!(has_host, "dashboard answered with {result}, which is no http or https URL");
        }
        Err(fault) if fault.kind == "unsupported" => {
            return Err(Stop::Skipped("this instance has no dashboard".into()));
        }
        Err(fault) => fail!("dashboard of a running instance answered {fault}"),
    }
    driver.shutdown()
}

fn stopped(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    driver.refused("dashboard", &of(&id), "invalid_state")?;
    driver.shutdown()
}
