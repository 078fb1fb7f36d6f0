//! What a workspace looks like from inside.

use std::fs;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{
    files,
    instances::{stop, with},
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
    Check::new("lifecycle/file-content", "files have their content", &["WORK-06"], file_content)
        .needs(TERMINAL),
    Check::new("lifecycle/file-source-copied", "files are copied from the host", &["WORK-06"], file_copied)
        .needs(TERMINAL),
    Check::new("lifecycle/file-modes", "files have their mode", &["WORK-06"], file_modes).needs(TERMINAL),
    Check::new("lifecycle/file-default-mode", "files without a mode have 600", &["WORK-06"], default_mode)
        .needs(TERMINAL),
    Check::new("lifecycle/file-executable", "a file with mode 755 can be run", &["WORK-06"], executable)
        .needs(TERMINAL),
    Check::new("lifecycle/file-folders", "the folders above files are made", &["WORK-06"], file_folders)
        .needs(TERMINAL),
    Check::new("lifecycle/file-writable", "commands can read and write files", &["WORK-07"], file_writable)
        .needs(TERMINAL),
    Check::new(
        "lifecycle/file-through-link",
        "no file is written through a symbolic link that leads out of the home",
        &["WORK-08"],
        through_link,
    ),
    Check::new(
        "lifecycle/file-through-mounted-link",
        "no file is written through a symbolic link in a mount in the home",
        &["WORK-08"],
        through_mounted_link,
    )
    .needs(&[Need::Capability("bindMounts"), Need::Isolated]),
    Check::new(
        "lifecycle/host-files-gone",
        "the host's files are not needed after create",
        &["WORK-10"],
        host_files_gone,
    )
    .slow(),
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
fn run_with(cx: &Cx, field: &str, value: Value) -> Result<String, Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &with(cx.workspace(), field, value))?;
    driver.shutdown()?;
    Ok(id)
}

fn run(cx: &Cx) -> Result<String, Stop> {
    run_with(cx, "projectId", json!("conformance"))
}

/// A file of a workspace.
fn file(path: &str, content: &[u8]) -> Value {
    json!({"path": path, "contentBase64": BASE64.encode(content)})
}

fn expect(is: &str, due: &str, what: &str) -> Result<(), Stop> {
    ensure!(is == due, "{what}: {is:?} inside, and not {due:?}");
    Ok(())
}

/// Where the sources are inside.
fn inside(cx: &Cx) -> Result<String, Stop> {
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

fn file_content(cx: &mut Cx) -> Result<(), Stop> {
    let bytes: Vec<u8> = (0..=255).collect();
    let large = "0123456789abcdef".repeat(4096);
    let files = json!([file("all", &bytes), file("none", b""), file("large", large.as_bytes())]);
    let id = run_with(cx, "files", files)?;
    let output = cx.run(&id, &["/bin/sh", "-c", "cat \"$HOME/all\""])?;
    ensure!(output.stdout == bytes, "a file of all bytes is inside: {output}");
    let sizes = "cd \"$HOME\" && wc -c < none && wc -c < large";
    let sizes = cx.sh(&id, sizes)?.split_whitespace().collect::<Vec<_>>().join(" ");
    expect(&sizes, "0 65536", "the sizes of two files")
}

fn file_copied(cx: &mut Cx) -> Result<(), Stop> {
    let source = cx.write("host/file", "from the host\n")?;
    let id = run_with(cx, "files", json!([{"path": ".config/copied", "source": source}]))?;
    expect(&cx.sh(&id, "cat \"$HOME/.config/copied\"")?, "from the host\n", "a file copied from the host")
}

fn file_modes(cx: &mut Cx) -> Result<(), Stop> {
    // The source's own mode does not count.
    let source = cx.write("host/file", "")?;
    let modes = [0o600, 0o644, 0o640, 0o755, 0o400, 0o666, 0o777];
    let files = modes.map(|mode| with(file(&format!("f{mode:o}"), b""), "mode", json!(mode)));
    let copied = json!({"path": "f700", "source": source, "mode": 0o700});
    let files: Vec<Value> = files.into_iter().chain([copied]).collect();
    let id = run_with(cx, "files", json!(files))?;
    let script = "cd \"$HOME\" && for f in f*; do printf '%s ' \"$f:$(stat -c %a \"$f\")\"; done";
    let due = "f400:400 f600:600 f640:640 f644:644 f666:666 f700:700 f755:755 f777:777 ";
    expect(&cx.sh(&id, script)?, due, "names and modes of files")
}

fn default_mode(cx: &mut Cx) -> Result<(), Stop> {
    let id = run_with(cx, "files", json!([file("plain", b"")]))?;
    expect(&cx.sh(&id, "stat -c %a \"$HOME/plain\"")?, "600\n", "the mode of a file without a mode")
}

fn executable(cx: &mut Cx) -> Result<(), Stop> {
    let tool = with(file(".local/bin/tool", b"#!/bin/sh\necho ran\n"), "mode", json!(0o755));
    let id = run_with(cx, "files", json!([tool]))?;
    expect(&cx.sh(&id, "\"$HOME/.local/bin/tool\"")?, "ran\n", "what a script with mode 755 printed")
}

fn file_folders(cx: &mut Cx) -> Result<(), Stop> {
    let files = json!([file("a/b/c/d", b"1"), file("a/b/e", b"2"), file("a/ f", b"3"), file("größe", b"4")]);
    let id = run_with(cx, "files", files)?;
    let script = "cd \"$HOME\" && cat a/b/c/d a/b/e 'a/ f' größe && echo 5 > a/b/c/new";
    expect(&cx.sh(&id, script)?, "1234", "the content of four files in folders")
}

fn file_writable(cx: &mut Cx) -> Result<(), Stop> {
    let id = run_with(cx, "files", json!([file("plain", b"a\n")]))?;
    expect(&cx.sh(&id, "cd \"$HOME\" && echo b >> plain && cat plain")?, "a\nb\n", "a file after a line more")
}

/// Whatever comes first, the link or the file, nothing may arrive where the link points to.
fn through_link(cx: &mut Cx) -> Result<(), Stop> {
    fs::create_dir(cx.sources().join("outside"))?;
    let outside = format!("{}/outside", inside(cx)?);
    let mut workspace = with(cx.workspace(), "files", json!([file("link/canary", b"escaped")]));
    workspace["agent"]["install"] = json!([format!("ln -s '{outside}' \"$HOME/link\" || true")]);
    let mut driver = cx.open()?;
    // It may also fail, and so refuse the link.
    if let Ok(instance) = driver.call("create", &workspace)? {
        let _ = driver.call("start", &start(&id_of(&instance)))?;
    }
    let found = cx.sources().join("outside/canary");
    ensure!(!found.exists(), "the file link/canary was written to {} through the link", found.display());
    Ok(())
}

#[cfg(unix)]
fn through_mounted_link(cx: &mut Cx) -> Result<(), Stop> {
    let (mounted, outside) = (cx.dir().join("mounted"), cx.dir().join("outside"));
    fs::create_dir(&mounted)?;
    fs::create_dir(&outside)?;
    std::os::unix::fs::symlink("../outside", mounted.join("link"))?;
    let home = cx.manifest()?.workspace_home.clone().unwrap_or_default();
    let mut workspace = with(cx.workspace(), "files", json!([file("mounted/link/canary", b"escaped")]));
    workspace["mounts"] = json!([{"host": mounted, "target": format!("{home}/mounted")}]);
    let mut driver = cx.open()?;
    if let Ok(instance) = driver.call("create", &workspace)? {
        let _ = driver.call("start", &start(&id_of(&instance)))?;
    }
    let found = outside.join("canary");
    ensure!(!found.exists(), "a file was written to {} through a link in a mount", found.display());
    Ok(())
}

#[cfg(not(unix))]
fn through_mounted_link(_: &mut Cx) -> Result<(), Stop> {
    Err(Stop::Skipped("there are other links here".into()))
}

fn host_files_gone(cx: &mut Cx) -> Result<(), Stop> {
    let source = cx.write("host/file", "from the host\n")?;
    let mut workspace = with(cx.workspace(), "files", json!([{"path": "copied", "source": source}]));
    if cx.declares("features") {
        cx.write("host/feature/install.sh", "#!/bin/sh\n")?;
        workspace["features"] = json!([{"id": "local", "directory": cx.dir().join("host/feature")}]);
    }
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    fs::remove_dir_all(cx.dir().join("host"))?;
    for _ in 0..2 {
        driver.ok("start", &start(&id))?;
        if cx.declares("terminal") {
            let is = cx.sh(&id, "cat \"$HOME/copied\"")?;
            expect(&is, "from the host\n", "a file whose source was removed after create")?;
        }
        driver.ok("stop", &stop(&id))?;
    }
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
    let mut workspace = cx.workspace();
    workspace["agent"]["install"] = json!(["env > \"$HOME/installed-with\""]);
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &workspace)?;
    driver.shutdown()?;
    let seen = cx.sh(&id, "cat \"$HOME/installed-with\" 2>/dev/null || true")?;
    let foreign: Vec<&str> = seen.lines().filter(|line| line.starts_with(FOREIGN)).collect();
    ensure!(foreign.is_empty(), "a line of agent.install had {foreign:?} of the driver's environment");
    Ok(())
}
