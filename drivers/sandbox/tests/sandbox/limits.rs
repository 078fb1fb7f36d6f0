//! Limits that hold.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Bench, eventually, for_each_user};

fn declares(bench: &Bench, limit: &str) -> bool {
    let mut driver = bench.another_driver();
    // A second `initialize` is refused, so the manifest of a new session is looked at by what it refuses.
    let field = if limit == "memory" { "memoryBytes" } else { limit };
    let result = driver.call("create", bench.workspace(json!({"limits": {field: 64 << 20}})));
    if let Ok(instance) = &result {
        driver.call("remove", json!({"id": instance["id"]})).unwrap();
    }
    result.is_ok()
}

#[test]
fn no_more_processes_than_allowed() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({"limits": {"pids": 20}}));
        let forks = "for i in $(seq 60); do sleep 100 >/dev/null 2>&1 & done; wait";
        let forks = sandbox.run(&["sh", "-c", forks]);
        assert!(String::from_utf8_lossy(&forks.stderr).to_lowercase().contains("fork"), "{forks:?}");
        let free = bench.start(json!({}));
        assert_eq!(free.sh("for i in $(seq 60); do sleep 0 & done; wait; echo fine"), "fine");
    });
}

#[test]
fn no_more_memory_than_allowed() {
    for_each_user(|bench| {
        if !declares(bench, "memory") {
            return;
        }
        let sandbox = bench.start(json!({"limits": {"memoryBytes": 64 << 20}}));
        // `tail` keeps a line in memory until it ends.
        let hungry = "head -c 200000000 /dev/zero | tail -n 1 | wc -c";
        assert_eq!(sandbox.sh("head -c 2000000 /dev/zero | tail -n 1 | wc -c"), "2000000");
        assert_ne!(sandbox.sh(hungry).lines().last(), Some("200000000"));
        assert_eq!(sandbox.sh("echo alive"), "alive");
    });
}

#[test]
fn no_more_processors_than_allowed() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({"limits": {"cpus": 1}}));
        let groups = sandbox.state_file()["cgroups"].clone();
        if groups == json!([]) {
            assert_eq!(sandbox.sh("nproc"), "1");
            assert_eq!(sandbox.sh("taskset -p fff $$ >/dev/null 2>&1 || echo refused; nproc"), "refused\n1");
            let half = bench.workspace(json!({"limits": {"cpus": 0.5}}));
            assert_eq!(bench.fail("create", half)["data"]["kind"], "unsupported");
            return;
        }
        // So little that a busy machine gives more.
        let little = bench.start(json!({"limits": {"cpus": 0.05}}));
        let groups = little.state_file()["cgroups"].clone();
        let stat = Path::new(groups[0].as_str().unwrap()).join("cpu.stat");
        eventually("it is held back", || {
            little.sh("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done");
            let stat = fs::read_to_string(&stat).unwrap();
            stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap() != "0"
        });
    });
}

#[test]
fn groups_go_with_the_sandbox() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({"limits": {"pids": 20, "cpus": 1}}));
        let groups = sandbox.state_file()["cgroups"].clone();
        let there = || {
            groups
                .as_array()
                .unwrap()
                .iter()
                .filter(|group| Path::new(group.as_str().unwrap()).exists())
                .count()
        };
        assert_eq!(there(), groups.as_array().unwrap().len());
        sandbox.stop(5);
        assert_eq!(there(), 0);
    });
}
