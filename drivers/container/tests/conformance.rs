//! The conformance suite on the drivers: all that they declare, without an expected failure, on the engines that
//! `.ci/engines` starts, or whatever the user has.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may panic, looks at the whole machine, and writes files that need not survive a crash"
)]

#[path = "engines/support.rs"]
#[expect(dead_code, reason = "the suite makes its own worlds")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use support::{Engine, SECRET, SMALL, bin, text};

/// One engine after the other: some checks hold a driver to a second or two, which it needs a processor for.
static TURN: Mutex<()> = Mutex::new(());

fn passes(engine: Engine) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !engine.is_there() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("kdn-fixture-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut fixture = json!({
        "passEnvironment": ["HOME", "XDG_RUNTIME_DIR", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "DOCKER_HOST"],
        "options": {format!("{}-base-image", engine.kind()): SMALL},
        "withoutBackend": {"PATH": "/no/such/folder"},
    });
    if engine != Engine::Docker {
        fixture["runtimeSecret"] = json!({"name": SECRET, "value": "stored"});
    }
    let file = folder.path().join("fixture.json");
    fs::write(&file, fixture.to_string()).unwrap();
    let report = run(engine, &file, "*");
    let mut wrong = failing(&report);
    // What is held to a second or two may fail on a machine that has much to do: such a check gets another chance, alone.
    // What was left behind by the others can't be found once more.
    if !wrong.is_empty() && !wrong.contains_key("robustness/no-orphans") {
        eprintln!("{}: tried once more: {wrong:#?}", engine.kind());
        let ids: Vec<&str> = wrong.keys().map(String::as_str).collect();
        wrong = failing(&run(engine, &file, &ids.join(",")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let checks = report["checks"].as_array().unwrap().iter();
    let passed = checks.filter(|check| check["outcome"] == "passed");
    let profiles = passed.map(|check| check["profile"].as_str().unwrap());
    // What a rootless podman can limit is the machine's business.
    let ran: BTreeSet<&str> =
        profiles.filter(|profile| engine != Engine::Rootless || *profile != "limits").collect();
    assert_eq!(ran, told(engine), "which profiles run is told in conformance/README.md");
}

/// The suite's report on some checks.
fn run(engine: Engine, fixture: &Path, only: &str) -> Value {
    let mut suite = engine.command(bin().join("kdn-conformance"));
    suite.args(["run", "--jobs", "4", "--patience", "30", "--format", "json", "--only", only, "--fixture"]);
    suite.arg(fixture).arg(bin().join(format!("kdn-runtime-{}", engine.kind())));
    let output = suite.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

/// The checks that did not pass, with what the suite says of them.
fn failing(report: &Value) -> BTreeMap<String, Value> {
    let checks = report["checks"].as_array().unwrap().iter();
    let wrong = checks.filter(|check| !["passed", "skipped"].contains(&check["outcome"].as_str().unwrap()));
    wrong.map(|check| (check["id"].as_str().unwrap().to_owned(), check.clone())).collect()
}

/// The profiles that run on an engine, as the table of the suite's README has it.
fn told(engine: Engine) -> BTreeSet<&'static str> {
    let (_, table) =
        include_str!("../../../conformance/README.md").split_once("| profile | podman |").unwrap();
    let column = [Engine::Podman, Engine::Rootless, Engine::Docker].iter().position(|one| *one == engine);
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cell = |row: &'static str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (!cells[2 + column?].is_empty()).then(|| cells[1].trim_matches('`'))
    };
    rows.filter_map(cell).collect()
}

#[test]
fn podman() {
    passes(Engine::Podman);
}

#[test]
fn podman_rootless() {
    passes(Engine::Rootless);
}

#[test]
fn docker() {
    passes(Engine::Docker);
}
