//! The store of workspaces under several processes, some of which are killed.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test, which starts copies of itself")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kdn::workspaces::{Record, Store, id};
use serde_json::json;

/// In the folder of a worker; without it a worker was started by hand and does nothing.
const MARK: &str = "worker";

fn record(id: &str, name: &str) -> Record {
    serde_json::from_value(json!({
        "id": id,
        "name": name,
        "paths": {"source": "/src", "configuration": "/src/.kaiden"},
        "runtime": {"type": "fake", "instance_id": "fake-001", "state": "stopped", "info": {}},
    }))
    .unwrap()
}

/// Creates `count` workspaces in the current folder's store.
fn work(count: usize) {
    if !Path::new(MARK).exists() {
        return;
    }
    let store = Store::new("storage");
    for _ in 0..count {
        let id = id::generate().unwrap();
        let pending = store.reserve("app", &id, "fake").unwrap();
        let record = record(&id, &pending.reservation().name);
        pending.commit(record).unwrap();
    }
}

#[test]
#[ignore = "the child of other tests"]
fn worker_of_ten() {
    work(10);
}

#[test]
#[ignore = "the child of other tests"]
fn worker_of_many() {
    work(10_000);
}

fn spawn(worker: &str, folder: &Path) -> Child {
    fs::write(folder.join(MARK), "").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args([worker, "--exact", "--ignored"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn check(store: &Store) -> usize {
    let records = store.read().unwrap();
    let names: HashSet<_> = records.iter().map(|record| &record.name).collect();
    assert_eq!(names.len(), records.len(), "two workspaces have one name");
    records.len()
}

#[test]
fn processes_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let workers: Vec<_> = (0..4).map(|_| spawn("worker_of_ten", folder.path())).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    assert_eq!(check(&Store::new(folder.path().join("storage"))), 40);
}

#[test]
fn a_killed_process_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("storage"));
    for _ in 0..5 {
        let before = check(&store);
        let mut worker = spawn("worker_of_many", folder.path());
        while store.read().unwrap().len() < before + 3 {
            assert!(worker.try_wait().unwrap().is_none(), "the worker ended by itself");
        }
        worker.kill().unwrap();
        worker.wait().unwrap();

        let stale = store.stale_pending().unwrap();
        assert!(stale.len() <= 1);
        for pending in stale {
            pending.abandon().unwrap();
        }
        assert_eq!(fs::read_dir(store.storage().join("pending")).unwrap().count(), 0);
    }
    check(&store);
}
