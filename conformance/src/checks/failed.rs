//! What a `create` leaves that fails: nothing.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::instances::{all, canaries, installing, stored, traces, with};
use crate::{
    check::{Check, Need},
    client::{Driver, Fault},
    cx::{Cx, id_of, of, start},
    stop::{Stop, ensure, fail},
};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "lifecycle/failed-create-unlisted",
        "what could not be created is not listed",
        &["CREATE-02"],
        failed_create_unlisted,
    ),
    Check::new(
        "lifecycle/failed-create-leaves-nothing",
        "a create that fails leaves nothing in the storage folder",
        &["CREATE-02"],
        failed_create_leaves_nothing,
    ),
    Check::new(
        "lifecycle/failed-create-mended",
        "what failed can be created under the same id and name once it is right",
        &["CREATE-02"],
        failed_create_mended,
    )
    .needs(&[Need::Local]),
];

/// Workspaces that can't be made, some of which are found out only while they are made.
fn impossible(cx: &Cx) -> Vec<(&'static str, Value)> {
    let content = BASE64.encode(b"content");
    let folder_below_file =
        json!([{"path": "a", "contentBase64": content}, {"path": "a/b", "contentBase64": content}]);
    let absent =
        json!([{"path": "a", "contentBase64": content}, {"path": "b", "source": cx.dir().join("absent")}]);
    vec![
        ("the source path is absent", with(cx.workspace(), "sourcePath", json!(cx.dir().join("absent")))),
        ("the source of a file is absent", with(cx.workspace(), "files", absent)),
        ("a file is below another file", with(cx.workspace(), "files", folder_below_file)),
        ("a line of agent.install exits with 3", installing(cx.workspace(), &["exit 3"])),
        ("the network mode is unknown", with(cx.workspace(), "network", json!({"mode": "filter"}))),
    ]
}

/// The error of a create that may fail. If it does not, the instance is removed.
fn try_create(driver: &mut Driver, workspace: &Value) -> Result<Option<Fault>, Stop> {
    match driver.call("create", workspace)? {
        Err(fault) => Ok(Some(fault)),
        Ok(instance) => driver.ok("remove", &of(&id_of(&instance))).map(|_| None),
    }
}

fn failed_create_unlisted(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for (why, workspace) in impossible(cx) {
        let fault = try_create(&mut driver, &workspace)?;
        let left = all(&mut driver)?;
        ensure!(left.is_empty(), "create failed because {why} ({fault:?}), and list has {left:?}");
    }
    driver.shutdown()
}

fn failed_create_leaves_nothing(cx: &mut Cx) -> Result<(), Stop> {
    // After the first life, the driver has made what it keeps for itself.
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    driver.ok("remove", &of(&id))?;
    driver.shutdown()?;
    let before = stored(cx);
    for (why, mut workspace) in impossible(cx) {
        let files = workspace["files"].take();
        let texts = canaries(cx, &mut workspace);
        if let (Some(all), Value::Array(files)) = (workspace["files"].as_array_mut(), files) {
            all.extend(files);
        }
        let mut driver = cx.open()?;
        let fault = try_create(&mut driver, &workspace)?;
        driver.shutdown()?;
        let left = traces(cx, &texts);
        ensure!(left.is_empty(), "create failed because {why} ({fault:?}), and left its traces in {left:?}");
        let new: Vec<_> = stored(cx).difference(&before).cloned().collect();
        ensure!(new.is_empty(), "create failed because {why} ({fault:?}), and left {new:?}");
    }
    Ok(())
}

fn failed_create_mended(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let source = cx.dir().join("late");
    let files = json!([{"path": "a", "contentBase64": ""}, {"path": "b", "source": source}]);
    let workspace = with(cx.workspace(), "files", files);
    if driver.call("create", &workspace)?.is_ok() {
        fail!("create succeeded with a file whose source is absent");
    }
    cx.write("late", "content")?;
    let instance = driver.ok("create", &workspace)?;
    ensure!(instance["state"] == "stopped", "create answered {instance}");
    driver.ok("start", &start(&id_of(&instance))).map(drop)
}
