//! `list`: what it names, page by page, and what it does when it can't read.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use super::{
    files,
    instances::{all, canaries, of_workspace, pages, stop, with},
};
use crate::{
    check::Check,
    cx::{Cx, id_of, initialize, of, random_id, start},
    host_ports,
    stop::{Stop, ensure},
};

pub(super) const CHECKS: &[Check] = &[
    Check::new("lifecycle/list-once", "each instance is listed exactly once", &["LIST-01"], once),
    Check::new(
        "lifecycle/list-pages",
        "each instance is listed exactly once over several pages",
        &["LIST-01"],
        several_pages,
    )
    .slow(),
    Check::new("lifecycle/list-as-info", "list says of an instance what info says", &["LIST-02"], as_info),
    Check::new(
        "lifecycle/list-by-workspace",
        "only instances of the workspaces that were asked for are listed",
        &["LIST-03"],
        by_workspace,
    ),
    Check::new("lifecycle/list-none", "an empty array of workspaces asks for none", &["LIST-03"], none),
    Check::new(
        "lifecycle/list-unknown-workspace",
        "unknown workspaces are ignored",
        &["LIST-04"],
        unknown_workspace,
    ),
    Check::new(
        "lifecycle/list-unreadable",
        "list does not fail because of a damaged file, and leaves no instance out",
        &["LIST-06"],
        |cx| damaged(cx, damage_read),
    ),
    Check::new(
        "lifecycle/remove-unreadable",
        "an instance whose files are damaged can be removed",
        &["REMOVE-02"],
        |cx| damaged(cx, damage_removed),
    )
    .slow(),
    Check::new(
        "lifecycle/list-without-storage",
        "without a storage folder there are no instances",
        &["LIST-07"],
        without_storage,
    ),
    Check::new(
        "lifecycle/list-foreign-cursor",
        "a cursor that the driver did not give is refused",
        &["LIST-08"],
        foreign_cursor,
    )
    .slow(),
];

/// Compares the ids of a listing with those that are due.
fn expect_ids(listed: &[Value], due: &[String], what: &str) -> Result<(), Stop> {
    let [mut is, mut due] = [listed.iter().map(id_of).collect(), due.to_vec()];
    is.sort_unstable();
    due.sort_unstable();
    ensure!(is == due, "{what} names the ids {is:?}, and not {due:?}");
    Ok(())
}

fn once(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut due = Vec::new();
    for _ in 0..3 {
        due.push(id_of(&driver.ok("create", &cx.workspace())?));
        expect_ids(&all(&mut driver)?, &due, "list")?;
    }
    driver.ok("start", &start(&due[1]))?;
    expect_ids(&all(&mut driver)?, &due, "list")?;
    driver.ok("remove", &of(&due[0]))?;
    expect_ids(&all(&mut driver)?, &due[1..], "list after a remove")
}

/// Makes pages of what a small frame can't hold: instances with long names.
fn several_pages(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let mut session = initialize(&cx.storage());
    session["limits"] = json!({"maxFrameBytes": 1_048_576});
    driver.ok("initialize", &session)?;
    let mut due = Vec::new();
    for letter in ["a", "b", "c"] {
        let workspace = with(cx.workspace(), "name", json!(letter.repeat(400_000)));
        match driver.call("create", &workspace)? {
            Ok(instance) => due.push(id_of(&instance)),
            Err(fault) => {
                let shown: String = fault.message.chars().take(80).collect();
                return Err(Stop::Skipped(format!("a name of 400000 letters is refused: {shown}")));
            }
        }
    }
    // Not to have pages is right, too.
    if matches!(driver.call("list", &json!({}))?, Err(fault) if fault.kind == "frame_too_large") {
        return Err(Stop::Skipped("this driver has no pages".into()));
    }
    let pages = pages(&mut driver)?;
    expect_ids(&pages.concat(), &due, &format!("list, in {} pages,", pages.len()))
}

fn as_info(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut workspace = cx.workspace();
    if cx.declares("ports") {
        workspace["ports"] = json!([{"target": 8080}]);
    }
    let alone = host_ports::alone();
    let running = cx.running(&mut driver, &workspace)?;
    drop(alone);
    let stopped = id_of(&driver.ok("create", &cx.workspace())?);
    for id in [running, stopped] {
        let info = driver.ok("info", &of(&id))?;
        let listed = all(&mut driver)?;
        let listed = listed.iter().find(|instance| instance["id"] == id.as_str());
        ensure!(listed == Some(&info), "info answered {info}, and list has {listed:?}");
    }
    Ok(())
}

fn by_workspace(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let (mut workspaces, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let workspace = cx.workspace();
        ids.push(id_of(&driver.ok("create", &workspace)?));
        workspaces.push(workspace["workspaceId"].clone());
    }
    for wanted in [vec![0], vec![2], vec![0, 1], vec![2, 1, 0], vec![1, 1]] {
        let asked: Vec<_> = wanted.iter().map(|at| workspaces[*at].clone()).collect();
        let mut due: Vec<_> = wanted.iter().map(|at| ids[*at].clone()).collect();
        due.dedup();
        let page = driver.ok("list", &json!({"workspaceIds": asked}))?;
        let listed = page["instances"].as_array().cloned().unwrap_or_default();
        expect_ids(&listed, &due, &format!("list of the workspaces {wanted:?} of [0, 1, 2]"))?;
    }
    Ok(())
}

fn none(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.ok("create", &cx.workspace())?;
    let page = driver.ok("list", &json!({"workspaceIds": []}))?;
    let listed = page["instances"].as_array().map_or(0, Vec::len);
    ensure!(listed == 0, "list with an empty workspaceIds answered {page}");
    Ok(())
}

fn unknown_workspace(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let workspace = cx.workspace();
    let id = id_of(&driver.ok("create", &workspace)?);
    for unknown in [json!(random_id()), json!("not a workspace id"), json!("")] {
        let asked = json!({"workspaceIds": [unknown, workspace["workspaceId"]]});
        let page = driver.ok("list", &asked)?;
        let listed = page["instances"].as_array().cloned().unwrap_or_default();
        expect_ids(&listed, std::slice::from_ref(&id), &format!("list of {asked}"))?;
    }
    Ok(())
}

/// Damages the files that hold an instance, one at a time and in several ways, and looks what comes of it.
pub(super) fn damaged(cx: &Cx, look: impl Fn(&Cx, &str, &str) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut workspace = cx.workspace();
    let mut texts = canaries(cx, &mut workspace);
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    driver.shutdown()?;
    texts.push(id.clone());
    let whole = files::tree(&cx.storage());
    for path in super::instances::traces(cx, &texts) {
        let content = &whole[&path];
        let garbage = [b"\xff\x00{".as_slice(), &content[content.len() / 2..]].concat();
        let ways: [(&str, &[u8]); 3] =
            [("empty", b""), ("cut in half", &content[..content.len() / 2]), ("garbage", &garbage)];
        for (way, bad) in ways {
            if !path.is_file() || path.is_symlink() {
                continue;
            }
            overwrite(&path, bad)?;
            look(cx, &id, &format!("when {} was {way}", path.display()))?;
            restore(&whole)?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a crash is what is played")]
fn overwrite(path: &PathBuf, content: &[u8]) -> Result<(), Stop> {
    Ok(fs::write(path, content)?)
}

/// Brings back the files as they were.
fn restore(whole: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), Stop> {
    for (path, content) in whole {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::read(path).ok().as_ref() != Some(content) && !path.is_symlink() {
            overwrite(path, content)?;
        }
    }
    Ok(())
}

fn damage_read(cx: &Cx, id: &str, when: &str) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let listed = driver.call("list", &json!({}))?;
    let listed = listed.map_err(|fault| Stop::Failed(format!("{when}, list answered {fault}")))?;
    let mut ids = listed["instances"].as_array().into_iter().flatten().map(id_of);
    ensure!(ids.any(|listed| listed == id), "{when}, list left the instance {id:?} out: {listed}");
    driver.shutdown()
}

fn damage_removed(cx: &Cx, _: &str, when: &str) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for instance in all(&mut driver)?.iter().filter(|instance| instance["state"] == "error") {
        let reply = driver.call("remove", &of(&id_of(instance)))?;
        ensure!(reply.is_ok(), "{when}, list told {instance}, and remove answered {reply:?}");
        let left = all(&mut driver)?;
        ensure!(!left.iter().any(|left| left["id"] == instance["id"]), "after remove list has {left:?}");
    }
    driver.shutdown()
}

fn without_storage(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let listed = all(&mut driver)?;
    ensure!(listed.is_empty(), "without a storage folder list has {listed:?}");
    let listed = of_workspace(&mut driver, &cx.workspace())?;
    ensure!(listed.is_empty(), "without a storage folder list has {listed:?}");
    driver.shutdown()?;
    ensure!(!cx.storage().exists(), "list made the storage folder");
    Ok(())
}

fn foreign_cursor(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    for cursor in ["no-such-cursor", "", "2147483648", "../.."] {
        driver.refused("list", &json!({"cursor": cursor}), "invalid_params")?;
    }
    driver.ok("stop", &stop(&id)).map(drop)
}
