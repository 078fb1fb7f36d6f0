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

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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
    let mut suite = engine.command(bin().join("kdn-conformance"));
    suite.args(["run", "--jobs", "4", "--patience", "30", "--format", "json", "--fixture"]).arg(&file);
    suite.arg(bin().join(format!("kdn-runtime-{}", engine.kind())));
    let output = suite.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let checks = || report["checks"].as_array().into_iter().flatten();
    let wrong: Vec<&Value> = checks()
        .filter(|check| !["passed", "skipped"].contains(&check["outcome"].as_str().unwrap()))
        .collect();
    assert!(output.status.success() && wrong.is_empty(), "{wrong:#?}{}", text(&output.stderr));
    let passed = checks().filter(|check| check["outcome"] == "passed");
    let profiles = passed.map(|check| check["profile"].as_str().unwrap());
    // What a rootless podman can limit is the machine's business.
    let ran: BTreeSet<&str> =
        profiles.filter(|profile| engine != Engine::Rootless || *profile != "limits").collect();
    assert_eq!(ran, told(engine), "which profiles run is told in conformance/README.md");
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
