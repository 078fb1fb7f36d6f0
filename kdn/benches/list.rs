//! What `kdn list` costs with many workspaces.

#![expect(clippy::disallowed_methods, reason = "benchmarks start processes of their own")]

#[expect(dead_code, unused_imports, reason = "each benchmark uses a part of it")]
mod support;

use std::process::{Command, Stdio};

use kdn_protocol::{
    Agent, HostInfo, ListParams, Workspace,
    host::{Interrupts, Launch, Session, ignore_events},
    method::{Create, List},
};
use serde_json::json;

const WORKSPACES: usize = 1000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let storage = tempfile::tempdir().expect("a temporary folder");
    let instances = storage.path().join("runtimes/fake");
    let host = HostInfo::this_process("bench", "0");
    let launch = Launch::new("fake", support::executable("kdn-runtime-fake"), host);
    let open =
        || async { Session::open(&launch, instances.clone(), Interrupts::never()).await.expect("a session") };

    runtime.block_on(async {
        let session = open().await;
        let mut records = Vec::new();
        for number in 0..WORKSPACES {
            let (id, name) = (format!("f{number:063x}"), format!("w{number}"));
            let workspace =
                Workspace::new(&id, &name, storage.path(), Agent::new("shell", vec!["sh".into()]));
            let instance = session.call::<Create>(&workspace, &mut ignore_events).await.expect("an instance");
            records.push(json!({
                "id": id, "name": name, "paths": {"source": "/src", "configuration": "/src/.kaiden"},
                "runtime": {"type": "fake", "instance_id": instance.id, "state": "stopped", "info": {}},
                "project": "/src", "agent": "shell", "created_at": "2026-01-01T00:00:00Z",
            }));
        }
        session.close().await;
        std::fs::write(storage.path().join("instances.json"), json!(records).to_string()).expect("the list");
    });

    let kdn = support::executable("kdn");
    let list = || {
        let mut command = Command::new(&kdn);
        command.args(["list", "-o", "json"]).env("KDN_STORAGE", storage.path()).stdout(Stdio::piped());
        let output = command.output().expect("kdn runs");
        assert!(output.status.success() && !output.stdout.is_empty());
        assert!(!String::from_utf8_lossy(&output.stdout).contains("stale"));
    };
    let session = || {
        runtime.block_on(async {
            let session = open().await;
            let listed =
                session.call::<List>(&ListParams::default(), &mut ignore_events).await.expect("a list");
            assert_eq!(listed.instances.len(), WORKSPACES);
            session.close().await;
        });
    };
    support::pair(40, list, session).report(
        &format!("kdn list of {WORKSPACES} workspaces, live"),
        "one session with the same driver that lists them",
        3.0,
    );
}
