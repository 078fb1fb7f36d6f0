//! What the checks of instances share.

use std::{collections::BTreeSet, path::PathBuf};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::{
    client::Driver,
    cx::{Cx, MARK},
    plan,
    processes::{self, Process},
    stop::{Stop, ensure},
};

/// How often a rule about repetition is tried.
pub(super) const TIMES: usize = 10;

/// How often what needs a moment is tried: a loaded machine may miss it, and a driver that can't misses it each time.
pub(super) const ATTEMPTS: usize = 40;

/// All instances, over all pages.
pub(super) fn all(driver: &mut Driver) -> Result<Vec<Value>, Stop> {
    Ok(pages(driver)?.into_iter().flatten().collect())
}

/// All pages of `list`.
pub(super) fn pages(driver: &mut Driver) -> Result<Vec<Vec<Value>>, Stop> {
    let (mut pages, mut params) = (Vec::new(), json!({}));
    loop {
        let page = driver.ok("list", &params)?;
        pages.push(page["instances"].as_array().cloned().unwrap_or_default());
        let Some(cursor) = page.get("nextCursor") else { return Ok(pages) };
        ensure!(pages.len() < 1000, "list did not end after 1000 pages");
        params = json!({"cursor": cursor});
    }
}

/// The instances of a workspace.
pub(super) fn of_workspace(driver: &mut Driver, workspace: &Value) -> Result<Vec<Value>, Stop> {
    let listed = driver.ok("list", &json!({"workspaceIds": [workspace["workspaceId"]]}))?;
    Ok(listed["instances"].as_array().cloned().unwrap_or_default())
}

/// The params of a `stop` without grace.
pub(super) fn stop(id: &str) -> Value {
    json!({"id": id, "graceSeconds": 0})
}

/// The workspace with another value in one field.
pub(super) fn with(mut workspace: Value, field: &str, value: Value) -> Value {
    workspace[field] = value;
    workspace
}

/// The workspace with an agent that is not there, and has to be installed by these lines. A driver may refuse it, or
/// have the agent by other means.
pub(super) fn installing(mut workspace: Value, lines: &[&str]) -> Value {
    workspace["agent"]["command"] = json!(["kdn-no-such-agent"]);
    workspace["agent"]["install"] = json!(lines);
    workspace
}

/// The state that `info` tells.
pub(super) fn state(driver: &mut Driver, id: &str) -> Result<String, Stop> {
    let info = driver.ok("info", &json!({"id": id}))?;
    Ok(info["state"].as_str().unwrap_or_default().to_owned())
}

/// The processes with the environment of the workspaces of this check.
pub(super) fn processes(cx: &Cx) -> Vec<Process> {
    processes::marked(&format!("{MARK}={}", cx.mark()))
}

/// Text that is in a workspace and nowhere else, for what [`traces`] looks for.
pub(super) fn canaries(cx: &Cx, workspace: &mut Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let canary = format!("canary-{}", cx.mark());
    if let Some(environment) = workspace["environment"].as_array_mut() {
        environment.push(json!({"name": "KDN_CANARY", "value": canary}));
    }
    workspace["files"] =
        json!([{"path": ".config/canary", "contentBase64": BASE64.encode(canary.as_bytes())}]);
    vec![text(&workspace["workspaceId"]), text(&workspace["name"]), canary]
}

/// The files of the storage folder that hold one of these texts, in their content or path.
pub(super) fn traces(cx: &Cx, texts: &[String]) -> Vec<PathBuf> {
    let found = texts.iter().flat_map(|text| super::files::that_contain(&cx.storage(), text));
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The paths of all files of the storage folder.
pub(super) fn stored(cx: &Cx) -> BTreeSet<PathBuf> {
    super::files::tree(&cx.storage()).into_keys().collect()
}

/// Waits for the `nth` step of a request to begin, from 0; `false` if the answer came first.
pub(super) fn wait_for_step(driver: &mut Driver, id: u64, nth: usize) -> Result<bool, Stop> {
    let mut seen = 0;
    driver.wait_for_event(id, |event| {
        seen += usize::from(event.step() == "start");
        seen > nth
    })
}

/// The session of a process.
pub(super) fn session(id: u32) -> Option<u32> {
    processes::stat(id, 6)?.parse().ok()
}

/// Leaves a process in the instance that only SIGKILL ends, and waits until it is there.
pub(super) fn leave_stubborn(cx: &Cx, id: &str) -> Result<plan::Running, Stop> {
    let script = "(trap '' TERM HUP INT; exec sleep 600) </dev/null >/dev/null 2>&1 & echo left";
    // Where the end of a plan ends what it left behind, the plan itself has to stay.
    let plan = cx.plan(id, &["/bin/sh", "-c", &format!("{script}; trap '' TERM HUP INT; wait")], false)?;
    let running = plan::Running::start(&cx.launch(), &plan, b"")?;
    running.wait_for("left")?;
    Ok(running)
}

/// What makes an instance run: the processes with its environment or, where they have none, all that would outlive
/// the driver.
pub(super) fn vitals(cx: &Cx) -> Vec<Process> {
    let inside = processes(cx);
    if !inside.is_empty() {
        return inside;
    }
    let own = session(std::process::id());
    processes::marked(cx.mark()).into_iter().filter(|process| session(process.id) != own).collect()
}

/// Those of the processes that make an instance run that are there no more.
pub(super) fn ended(cx: &Cx, before: &[Process]) -> Vec<Process> {
    let after = vitals(cx);
    // By id: a shell that becomes its command with `exec` is the same process.
    before.iter().filter(|process| !after.iter().any(|other| other.id == process.id)).cloned().collect()
}
