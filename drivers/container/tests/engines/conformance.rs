//! The conformance suite on the drivers: all that they declare, without an expected failure.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::support::{Engine, SECRET, SMALL, bin, text};

fn passes(engine: Engine, more: &[&str]) {
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
    suite.args(["run", "--jobs", "4", "--patience", "30", "--fixture"]).arg(&file).args(more);
    suite.arg(bin().join(format!("kdn-runtime-{}", engine.kind())));
    let output = suite.output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn podman() {
    passes(Engine::Podman, &[]);
}

#[test]
fn podman_rootless() {
    // What else is slow goes the same way as for root.
    passes(Engine::Rootless, &["--quick"]);
    passes(Engine::Rootless, &["--only", "ports/*"]);
}

#[test]
fn docker() {
    passes(Engine::Docker, &["--quick"]);
    passes(Engine::Docker, &["--only", "ports/*"]);
}
