//! Secrets that must not get about, and text that is not what it seems.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    client::EXIT,
    cx::{Cx, MARK, id_of, of, random, start},
    processes,
    stop::{Stop, ensure},
};

use super::files;

const VALUES: &[Need] = &[Need::Capability("secretEnvironment")];
const SEEN: &[Need] = &[Need::Capability("secretEnvironment"), Need::Linux, Need::Local];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "security/secret-not-in-frames",
        "no frame holds the value of a secret",
        &["SEC-01"],
        not_in_frames,
    )
    .needs(VALUES),
    Check::new(
        "security/secret-not-in-errors",
        "an error about secretValues holds none of them",
        &["SEC-01"],
        not_in_errors,
    ),
    Check::new(
        "security/secret-not-on-stderr",
        "stderr holds no value of a secret",
        &["SEC-02"],
        not_on_stderr,
    )
    .needs(VALUES),
    Check::new(
        "security/secret-not-in-arguments",
        "no process has the value of a secret among its arguments",
        &["SEC-03"],
        not_in_arguments,
    )
    .needs(SEEN),
    Check::new(
        "security/secret-not-in-environments",
        "no process outside the workspace has the value of a secret in its environment",
        &["SEC-04"],
        not_in_environments,
    )
    .needs(SEEN),
    Check::new(
        "security/secret-not-on-disk",
        "no file holds the value of a secret",
        &["SEC-05"],
        not_on_disk,
    )
    .needs(VALUES),
    Check::new(
        "security/storage-is-private",
        "other users can't read the storage folder",
        &["SEC-07"],
        storage_is_private,
    ),
    Check::new(
        "security/odd-values",
        "values with control characters and quotes get in unchanged, or are refused",
        &["SEC-09"],
        odd_values,
    )
    .slow()
    .needs(&[Need::Capability("terminal")]),
    Check::new(
        "security/odd-sources",
        "a project folder with an odd name works, or is refused",
        &["SEC-09"],
        odd_sources,
    )
    .slow(),
    Check::new(
        "security/odd-files",
        "files with odd names are written under them, or are refused",
        &["SEC-09", "WORK-06"],
        odd_files,
    )
    .slow()
    .needs(&[Need::Capability("terminal")]),
    Check::new(
        "security/odd-text-in-errors",
        "odd text in what is wrong breaks no frame",
        &["WIRE-02"],
        odd_text_in_errors,
    ),
    Check::new(
        "security/odd-names-refused",
        "a name of an instance can't hold control characters",
        &["CREATE-03"],
        odd_names_refused,
    ),
];

/// Text of all kinds that have broken something somewhere.
pub(super) const ODD: [&str; 8] = [
    "a\u{1b}[31mred\u{1b}[0m",
    "tab\tline\nreturn\r",
    "'single' \"double\" `back` $HOME \\ %s",
    "\u{202e}right to left\u{2066}",
    "\u{7f}\u{85}\u{9b}31m",
    "\u{2028}\u{2029}\u{feff}",
    "emoji \u{1f600} e\u{301}",
    "--option={}",
];

/// A workspace whose environment has a secret, and the start of its instance with a value that nothing else has.
fn with_secret(cx: &Cx) -> (Value, String) {
    let mut workspace = cx.workspace();
    let canary = format!("canary{:08x}{:08x}", random(), random());
    let environment = json!([{"name": MARK, "value": cx.mark()}, {"name": "KDN_SECRET", "secret": "token"}]);
    workspace["environment"] = environment;
    (workspace, canary)
}

fn start_with(id: &str, canary: &str) -> Value {
    json!({"id": id, "network": {"mode": "allow"}, "secretValues": {"token": canary}})
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn not_in_frames(cx: &mut Cx) -> Result<(), Stop> {
    let (workspace, canary) = with_secret(cx);
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    driver.ok("start", &start_with(&id, &canary))?;
    driver.ok("start", &start_with(&id, &canary))?;
    driver.ok("info", &of(&id))?;
    driver.ok("list", &json!({}))?;
    let _ = driver.call("terminal", &json!({"id": id, "command": ["/bin/true"]}))?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    ensure!(!holds(driver.heard(), &canary), "a frame of the driver holds the value of a secret");
    Ok(())
}

fn not_in_errors(cx: &mut Cx) -> Result<(), Stop> {
    let canary = format!("canary{:08x}{:08x}", random(), random());
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    let network = json!({"mode": "allow"});
    for params in [
        json!({"id": id, "network": network, "secretValues": {"token": canary, "other": 7}}),
        json!({"id": id, "network": network, "secretValues": canary}),
        json!({"id": id, "network": network, "secretValues": [canary]}),
        json!({"id": "no-such-instance", "network": network, "secretValues": {"token": canary}}),
        json!({"id": id, "network": {"mode": "no-such-mode"}, "secretValues": {"token": canary}}),
    ] {
        let _ = driver.call("start", &params)?;
        let leaked = holds(driver.heard(), &canary);
        ensure!(!leaked, "the answer to start with wrong params holds a value of secretValues");
    }
    Ok(())
}

fn not_on_stderr(cx: &mut Cx) -> Result<(), Stop> {
    let (workspace, canary) = with_secret(cx);
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    driver.ok("start", &start_with(&id, &canary))?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    driver.close_stdin();
    driver.drain(EXIT)?;
    ensure!(!holds(&driver.stderr(), &canary), "stderr of the driver holds the value of a secret");
    Ok(())
}

/// Starts an instance with a secret, and has the processes looked at while a command runs in it.
fn look(cx: &Cx, look: impl Fn(&str) -> Result<(), Stop>) -> Result<(), Stop> {
    let (workspace, canary) = with_secret(cx);
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    driver.ok("start", &start_with(&id, &canary))?;
    look(&canary)?;
    if !cx.declares("terminal") {
        return Ok(());
    }
    let plan = cx.plan(&id, &["/bin/sh", "-c", "echo ready; read line"], false)?;
    let running = crate::plan::Running::start_open(&cx.launch(), &plan)?;
    running.wait_for("ready")?;
    look(&canary)
}

fn not_in_arguments(cx: &mut Cx) -> Result<(), Stop> {
    look(cx, |canary| {
        let found = processes::with_argument(canary);
        ensure!(found.is_empty(), "the value of a secret is among the arguments of {found:?}");
        Ok(())
    })
}

fn not_in_environments(cx: &mut Cx) -> Result<(), Stop> {
    let inside = format!("\0{MARK}={}\0", cx.mark());
    look(cx, |canary| {
        let found: Vec<_> = processes::with_environment(canary)
            .into_iter()
            .filter(|process| !process.environment().contains(&inside))
            .collect();
        ensure!(
            found.is_empty(),
            "outside the workspace, the value of a secret is in the environment of {found:?}"
        );
        Ok(())
    })
}

fn not_on_disk(cx: &mut Cx) -> Result<(), Stop> {
    let (workspace, canary) = with_secret(cx);
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    driver.ok("start", &start_with(&id, &canary))?;
    let found = files::that_contain(cx.dir(), &canary);
    ensure!(found.is_empty(), "after start, these files hold the value of a secret: {found:?}");
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    let found = files::that_contain(cx.dir(), &canary);
    ensure!(found.is_empty(), "after stop, these files hold the value of a secret: {found:?}");
    Ok(())
}

fn storage_is_private(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.ok("create", &cx.workspace())?;
    let Ok(data) = fs::metadata(cx.storage()) else { return Ok(()) };
    let mode = data.permissions().mode() & 0o777;
    let others = mode & 0o077;
    ensure!(others == 0, "the storage folder has the mode {mode:o}, which lets others in");
    Ok(())
}

fn odd_values(cx: &mut Cx) -> Result<(), Stop> {
    for odd in ODD {
        let mut workspace = cx.workspace();
        workspace["environment"] = json!([{"name": MARK, "value": cx.mark()}, {"name": "ODD", "value": odd}]);
        let mut driver = cx.open()?;
        let Ok(instance) = driver.call("create", &workspace)? else { continue };
        let id = id_of(&instance);
        driver.ok("start", &start(&id))?;
        let seen = cx.sh(&id, "printf '%s' \"$ODD\"")?;
        ensure!(seen == odd, "the variable {odd:?} has the value {seen:?} inside");
        driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    }
    Ok(())
}

fn odd_sources(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for (number, name) in ["a b", "quote'\"s", "$HOME", "line\nbreak", "-dash", "é\u{1b}[1m", "colon:comma,"]
        .into_iter()
        .enumerate()
    {
        let folder = cx.dir().join(format!("odd-{number}")).join(name);
        fs::create_dir_all(&folder)?;
        cx.write(&relative(cx.dir(), &folder.join("there")), "yes")?;
        let mut workspace = cx.workspace();
        workspace["sourcePath"] = json!(folder);
        let Ok(instance) = driver.call("create", &workspace)? else { continue };
        let id = id_of(&instance);
        driver.ok("start", &start(&id))?;
        if cx.declares("terminal") {
            let seen = cx.sh(&id, "cat there")?;
            ensure!(seen == "yes", "of the sources in {name:?}, the file \"there\" reads {seen:?}");
        }
        driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
        driver.ok("remove", &of(&id))?;
    }
    Ok(())
}

fn relative(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned()
}

fn odd_files(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for name in ["a b", "quote'\"s", "$HOME", "line\nbreak", "-dash", "é\u{1b}[1m"] {
        let mut workspace = cx.workspace();
        workspace["files"] = json!([{"path": name, "contentBase64": "b2Rk"}]);
        let Ok(instance) = driver.call("create", &workspace)? else { continue };
        let id = id_of(&instance);
        driver.ok("start", &start(&id))?;
        let output = cx.run(&id, &["/bin/sh", "-c", "cat \"$HOME/$1\"", "sh", name])?;
        ensure!(output.stdout == b"odd", "the file {name:?} in the home reads: {output}");
        driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
        driver.ok("remove", &of(&id))?;
    }
    Ok(())
}

fn odd_text_in_errors(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for odd in ODD {
        let mut workspace = cx.workspace();
        workspace["options"] = json!({odd: odd});
        let Err(_) = driver.call("create", &workspace)? else { continue };
        let _ = driver.call(odd, &json!({}))?;
        let _ = driver.call("info", &of(odd))?;
        driver.ok("list", &json!({}))?;
    }
    ensure!(driver.strays().is_empty(), "these lines are no messages: {:?}", driver.strays());
    Ok(())
}

fn odd_names_refused(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for odd in ODD {
        let mut workspace = cx.workspace();
        workspace["name"] = json!(odd);
        let fault = driver.refused("create", &workspace, "invalid_workspace")?;
        ensure!(fault.field_path() == "name", "the name {odd:?} was refused without its field: {fault}");
    }
    Ok(())
}
