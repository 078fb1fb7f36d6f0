//! What a workspace looks like from inside.

use std::fs;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{
    files,
    instances::{installing, stop, with},
};
use crate::{
    check::{Check, Need},
    cx::{Cx, FOREIGN, id_of, random, start},
    plan,
    stop::{Stop, ensure},
};

const TERMINAL: &[Need] = &[Need::Capability("terminal")];
const LOCAL: &[Need] = &[Need::Capability("terminal"), Need::Local];
const ISOLATED: &[Need] = &[Need::Capability("terminal"), Need::Isolated];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "lifecycle/sources-appear",
        "the project folder appears inside, readable and writable",
        &["WORK-01"],
        sources_appear,
    )
    .needs(ISOLATED),
    Check::new(
        "lifecycle/sources-shared",
        "host and workspace see at once what the other writes in the sources",
        &["WORK-02"],
        sources_shared,
    )
    .needs(LOCAL),
    Check::new(
        "lifecycle/sources-owner",
        "files made in the sources belong to the owner of the sources",
        &["WORK-03"],
        sources_owner,
    )
    .needs(LOCAL),
    Check::new(
        "lifecycle/environment",
        "commands have the variables of the workspace",
        &["WORK-04"],
        environment,
    )
    .needs(TERMINAL),
    Check::new(
        "lifecycle/environment-empty",
        "a variable with an empty value is there",
        &["WORK-04"],
        environment_empty,
    )
    .needs(TERMINAL),
    Check::new("lifecycle/home", "HOME is the instance's home", &["WORK-05"], home).needs(TERMINAL),
    Check::new(
        "lifecycle/homes-apart",
        "each instance has a home of its own, which is not the user's",
        &["WORK-17"],
        homes_apart,
    )
    .slow()
    .needs(&[Need::Capability("terminal"), Need::NotIsolated]),
    Check::new(
        "lifecycle/foreign-processes",
        "an instance does not see the processes of the host and of other instances",
        &["WORK-11"],
        foreign_processes,
    )
    .needs(ISOLATED),
    Check::new(
        "lifecycle/foreign-files",
        "an instance does not see files of the host that the workspace does not name",
        &["WORK-12"],
        foreign_files,
    )
    .needs(ISOLATED),
    Check::new(
        "lifecycle/foreign-homes",
        "an instance does not see the files of another instance",
        &["WORK-12"],
        foreign_homes,
    )
    .needs(ISOLATED),
    Check::new(
        "lifecycle/instances-apart",
        "two instances at once have each their own environment and files",
        &["WORK-04", "WORK-06"],
        instances_apart,
    )
    .slow()
    .needs(TERMINAL),
    Check::new(
        "lifecycle/install-environment",
        "the driver's environment does not reach what installs the agent",
        &["LIFE-20"],
        install_environment,
    )
    .needs(TERMINAL),
];

/// Creates and starts a workspace with another value in one field.
pub(super) fn run_with(cx: &Cx, field: &str, value: Value) -> Result<String, Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &with(cx.workspace(), field, value))?;
    driver.shutdown()?;
    Ok(id)
}

fn run(cx: &Cx) -> Result<String, Stop> {
    run_with(cx, "projectId", json!("conformance"))
}

/// A file of a workspace.
pub(super) fn file(path: &str, content: &[u8]) -> Value {
    json!({"path": path, "contentBase64": BASE64.encode(content)})
}

pub(super) fn expect(is: &str, due: &str, what: &str) -> Result<(), Stop> {
    ensure!(is == due, "{what}: {is:?} inside, and not {due:?}");
    Ok(())
}

/// Where the sources are inside.
pub(super) fn inside(cx: &Cx) -> Result<String, Stop> {
    let path = cx.manifest()?.workspace_sources_path.clone();
    Ok(path.unwrap_or_else(|| cx.sources().display().to_string()))
}

fn sources_appear(cx: &mut Cx) -> Result<(), Stop> {
    cx.write("sources/deep/seen", "from the host\n")?;
    let id = run(cx)?;
    let folder = inside(cx)?;
    expect(&cx.sh(&id, &format!("cat '{folder}/deep/seen'"))?, "from the host\n", "a file of the sources")?;
    let script =
        format!("echo new > '{folder}/deep/new' && rm '{folder}/deep/seen' && cat '{folder}/deep/new'");
    expect(&cx.sh(&id, &script)?, "new\n", "a file made in the sources")
}

fn sources_shared(cx: &mut Cx) -> Result<(), Stop> {
    let id = run(cx)?;
    let folder = inside(cx)?;
    cx.sh(&id, &format!("echo inside > '{folder}/a'"))?;
    let is = fs::read_to_string(cx.sources().join("a")).unwrap_or_default();
    ensure!(is == "inside\n", "a file was written to {folder} inside, and the host reads {is:?}");
    cx.write("sources/a", "host\n")?;
    expect(&cx.sh(&id, &format!("cat '{folder}/a'"))?, "host\n", "a file that the host wrote")?;
    fs::remove_file(cx.sources().join("a"))?;
    expect(&cx.sh(&id, &format!("ls '{folder}'"))?, "", "the sources, after the host removed its only file")
}

#[cfg(unix)]
fn sources_owner(cx: &mut Cx) -> Result<(), Stop> {
    use std::os::unix::fs::MetadataExt;
    let id = run(cx)?;
    let folder = inside(cx)?;
    cx.sh(&id, &format!("echo new > '{folder}/new'; mkdir '{folder}/folder'"))?;
    let mut driver = cx.open()?;
    driver.ok("stop", &stop(&id))?;
    let due = fs::metadata(cx.sources())?.uid();
    for name in ["new", "folder"] {
        let is = fs::metadata(cx.sources().join(name))?.uid();
        ensure!(is == due, "{name:?}, made in the sources, belongs to user {is}, and the sources to {due}");
    }
    Ok(())
}

#[cfg(not(unix))]
fn sources_owner(_: &mut Cx) -> Result<(), Stop> {
    Err(Stop::Skipped("files have owners of another kind here".into()))
}

fn environment(cx: &mut Cx) -> Result<(), Stop> {
    let variables = json!([
        {"name": "PLAIN", "value": "plain"},
        {"name": "ODD", "value": " $HOME `id` 'a' \"b\" \\c = ; größe "},
        {"name": "lower_case", "value": "x=y"},
    ]);
    let id = run_with(cx, "environment", variables)?;
    let due = "plain| $HOME `id` 'a' \"b\" \\c = ; größe |x=y";
    expect(&cx.sh(&id, "printf '%s|%s|%s' \"$PLAIN\" \"$ODD\" \"$lower_case\"")?, due, "three variables")
}

fn environment_empty(cx: &mut Cx) -> Result<(), Stop> {
    let id = run_with(cx, "environment", json!([{"name": "EMPTY", "value": ""}]))?;
    expect(&cx.sh(&id, "printf '%s' \"${EMPTY-absent}\"")?, "", "a variable with an empty value")
}

fn home(cx: &mut Cx) -> Result<(), Stop> {
    let id = run(cx)?;
    let home = cx.sh(&id, "printf '%s' \"${HOME-absent}\"")?;
    if let Some(due) = &cx.manifest()?.workspace_home {
        expect(&home, due, "HOME")?;
    }
    ensure!(home.starts_with('/') && home.len() > 1, "HOME is {home:?} inside");
    expect(&cx.sh(&id, "cd \"$HOME\" && echo a > new && cat new")?, "a\n", "a file made in HOME")
}

fn homes_apart(cx: &mut Cx) -> Result<(), Stop> {
    let (first, second) = (run(cx)?, run(cx)?);
    let script = "printf '%s' \"$HOME\"";
    let (first, second) = (cx.sh(&first, script)?, cx.sh(&second, script)?);
    ensure!(first != second, "two instances have the same home {first:?}");
    let users = cx.launch().env.get("HOME").cloned().unwrap_or_default();
    ensure!(![first, second].contains(&users), "an instance has the user's own home {users:?}");
    Ok(())
}

fn foreign_processes(cx: &mut Cx) -> Result<(), Stop> {
    let (first, second) = (run(cx)?, run(cx)?);
    // Both the plan's process on the host and the command in the first instance have this argument.
    let argument = format!("seen-{}-{:08x}", cx.mark(), random());
    let script = "echo ready; while :; do sleep 1; done";
    let plan = cx.plan(&first, &["/bin/sh", "-c", script, &argument], false)?;
    let running = plan::Running::start(&cx.launch(), &plan, b"")?;
    running.wait_for("ready")?;
    let list = "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < \"$p\" 2>/dev/null; echo; done; true";
    let seen = cx.sh(&second, list)?;
    let seen: Vec<&str> = seen.lines().filter(|line| line.contains(&argument)).collect();
    ensure!(seen.is_empty(), "an instance sees the processes {seen:?} of another one or of the host");
    Ok(())
}

fn foreign_files(cx: &mut Cx) -> Result<(), Stop> {
    let secret = cx.write("private/secret", "private\n")?;
    let id = run(cx)?;
    let seen = cx.sh(&id, &format!("cat '{}' 2>/dev/null || true", secret.display()))?;
    ensure!(seen.is_empty(), "an instance reads {} of the host: {seen:?}", secret.display());
    Ok(())
}

fn foreign_homes(cx: &mut Cx) -> Result<(), Stop> {
    let (first, second) = (run_with(cx, "files", json!([file("secret", b"private")]))?, run(cx)?);
    let home = cx.sh(&first, "printf '%s' \"$HOME\"")?;
    let mut places = files::that_contain(&cx.storage(), "private");
    places.push(format!("{home}/secret").into());
    for place in places {
        let seen = cx.sh(&second, &format!("cat '{}' 2>/dev/null || true", place.display()))?;
        ensure!(seen.is_empty(), "an instance reads {} of another one: {seen:?}", place.display());
    }
    Ok(())
}

fn instances_apart(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut ids = Vec::new();
    for own in ["first", "second"] {
        let mut workspace = with(cx.workspace(), "files", json!([file("own", own.as_bytes())]));
        workspace["environment"] = json!([{"name": "OWN", "value": own}]);
        ids.push((own, cx.running(&mut driver, &workspace)?));
    }
    driver.shutdown()?;
    for (own, id) in ids {
        let is = cx.sh(
            &id,
            "printf '%s ' \"$OWN\"; cat \"$HOME/own\"; ls \"$HOME\" | grep -c other; touch \"$HOME/other\"",
        )?;
        expect(
            is.trim(),
            &format!("{own} {own}0"),
            "a variable, a file, and how many files of another instance",
        )?;
    }
    Ok(())
}

fn install_environment(cx: &mut Cx) -> Result<(), Stop> {
    let workspace = installing(cx.workspace(), &["env > \"$HOME/installed-with\""]);
    let mut driver = cx.open()?;
    let instance = driver.call("create", &workspace)?;
    let id = id_of(&instance.map_err(|fault| Stop::Skipped(format!("no agent can be installed: {fault}")))?);
    driver.ok("start", &start(&id))?;
    driver.shutdown()?;
    let seen = cx.sh(&id, "cat \"$HOME/installed-with\" 2>/dev/null || true")?;
    let foreign: Vec<&str> = seen.lines().filter(|line| line.starts_with(FOREIGN)).collect();
    ensure!(foreign.is_empty(), "a line of agent.install had {foreign:?} of the driver's environment");
    Ok(())
}
