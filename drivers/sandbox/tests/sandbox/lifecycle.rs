//! Instances from create to remove, and the truth about them.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{command_lines, eventually, for_each_user, marker, processes, write};

#[test]
fn create_is_idempotent_and_names_are_unique() {
    for_each_user(|bench| {
        let workspace = bench.workspace(json!({}));
        let one = bench.call("create", workspace.clone()).unwrap();
        assert_eq!(one["state"], "stopped");
        assert_eq!(bench.call("create", workspace.clone()).unwrap(), one);
        let taken = bench.workspace(json!({"name": workspace["name"]}));
        assert_eq!(bench.fail("create", taken)["data"]["kind"], "already_exists");
        assert_eq!(bench.call("list", json!({})).unwrap()["instances"], json!([one]));
        bench.call("remove", json!({"id": one["id"]})).unwrap();
        assert_eq!(fs::read_dir(bench.storage().join("instances")).unwrap().count(), 0);
    });
}

#[test]
fn unknown_instances_are_not_found_and_already_removed() {
    for_each_user(|bench| {
        for id in ["0".repeat(64), "../x".into(), ".new-x".into()] {
            for (method, params) in [
                ("info", json!({"id": id})),
                ("start", json!({"id": id, "network": {}})),
                ("stop", json!({"id": id})),
                ("terminal", json!({"id": id, "command": ["true"]})),
            ] {
                assert_eq!(bench.fail(method, params)["data"]["kind"], "instance_not_found", "{method} {id}");
            }
            bench.call("remove", json!({"id": id})).unwrap();
        }
        assert!(!bench.storage().exists(), "reading has made the storage folder");
    });
}

#[test]
fn a_started_sandbox_outlives_its_driver() {
    for_each_user(|bench| {
        let mut driver = bench.another_driver();
        let workspace = bench.workspace(json!({}));
        let id = driver.call("create", workspace).unwrap()["id"].clone();
        driver.call("start", json!({"id": id, "network": {}})).unwrap();
        let steps: Vec<_> =
            driver.steps.iter().filter_map(|step| step["params"]["inProgress"].as_str()).collect();
        assert_eq!(steps, ["Preparing sandbox", "Starting sandbox"]);
        drop(driver);
        assert_eq!(bench.call("info", json!({"id": id})).unwrap()["state"], "running");
        let again = bench.call("start", json!({"id": id, "network": {}})).unwrap();
        assert_eq!(again["state"], "running");
        assert_eq!(bench.fail("remove", json!({"id": id}))["data"]["kind"], "invalid_state");
        bench.call("stop", json!({"id": id})).unwrap();
        assert_eq!(bench.call("stop", json!({"id": id})).unwrap()["state"], "stopped");
        bench.call("remove", json!({"id": id})).unwrap();
    });
}

#[test]
fn stop_leaves_no_process() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let seconds = marker();
        sandbox.sh(&format!("(trap '' TERM HUP; setsid sleep {seconds}; sleep {seconds}) >/dev/null 2>&1 &"));
        sandbox.sh(&format!("setsid -f sleep {seconds} >/dev/null 2>&1"));
        let name = sandbox.info()["name"].as_str().unwrap().to_owned();
        let sleeps = format!("sleep\0{seconds}");
        eventually("they run", || processes(&sleeps) == 2);
        eventually("its own two are alone", || processes(&format!("kdn-sandbox {name}\0")) == 2);
        let stopped = sandbox.stop(1);
        assert_eq!((stopped["state"].as_str(), &stopped["reason"]), (Some("stopped"), &Value::Null));
        assert_eq!(processes(&sleeps), 0);
        assert_eq!(processes(&format!("kdn-sandbox {name}\0")), 0);
    });
}

#[test]
fn a_killed_supervisor_takes_everything_along() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({"limits": {"pids": 50}}));
        let seconds = marker();
        sandbox.sh(&format!("setsid -f sleep {seconds} >/dev/null 2>&1"));
        sandbox.crash();
        eventually("everything has ended", || processes(&format!("sleep\0{seconds}")) == 0);
        eventually("it is known", || sandbox.info()["state"] == "stopped");
        assert_eq!(sandbox.start("allow").unwrap()["state"], "running");
        assert_eq!(sandbox.sh("echo works"), "works");
    });
}

#[test]
fn a_stop_ends_what_a_killed_supervisor_could_not() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let seconds = marker();
        sandbox.sh(&format!("setsid -f sleep {seconds} >/dev/null 2>&1"));
        let init = sandbox.state_file()["init"]["pid"].as_i64().unwrap();
        let init = Pid::from_raw(i32::try_from(init).unwrap()).unwrap();
        kill_process(init, Signal::STOP).unwrap();
        sandbox.crash();
        sandbox.stop(1);
        assert_eq!(processes(&format!("sleep\0{seconds}")), 0);
    });
}

#[test]
fn programs_cannot_pose_as_the_host() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        // rt_sigqueueinfo: SIGTERM for PID 1 with a sender of our own choice.
        let call = if cfg!(target_arch = "x86_64") { 129 } else { 138 };
        let script =
            format!("$i = pack(\"i6 x104\", 15, 0, -1, 0, 0, 0); print 0 + syscall({call}, 1, 15, $i)");
        assert_eq!(sandbox.run(&["perl", "-e", &script]).stdout, b"0");
        sandbox.sh("sleep 0.05");
        assert_eq!(sandbox.info()["state"], "running");
    });
}

#[test]
fn a_reused_pid_or_a_reboot_deceives_nobody() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let mut state = sandbox.state_file();
        sandbox.crash();
        eventually("it has ended", || sandbox.info()["state"] == "stopped");
        // A process that runs now: this test, with its own start time and with that of another.
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let begun: u64 =
            stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
        let this = json!({"pid": std::process::id(), "startTime": begun});
        state["init"] = json!({"pid": std::process::id(), "startTime": begun - 1});
        state["supervisor"] = this;
        write(&sandbox.folder().join("state.json"), &state.to_string());
        assert_eq!(sandbox.info()["state"], "stopped");
        sandbox.stop(0);
        state["bootId"] = json!("another boot");
        write(&sandbox.folder().join("state.json"), &state.to_string());
        assert_eq!(sandbox.info()["state"], "stopped");
        assert_eq!(sandbox.start("allow").unwrap()["state"], "running");
    });
}

#[test]
fn of_many_starts_at_once_one_does_the_work() {
    for_each_user(|bench| {
        let sandbox = bench.create(json!({}));
        let start = || {
            let mut driver = bench.another_driver();
            driver.call("start", json!({"id": sandbox.id, "network": {}})).unwrap()["info"]["pid"].clone()
        };
        let pids: Vec<Value> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(pids.iter().all(|pid| *pid == pids[0] && pid.is_string()), "{pids:?}");
    });
}

#[test]
fn secrets_reach_programs_and_nothing_else() {
    for_each_user(|bench| {
        let value = format!("secret-{}", marker());
        let sandbox = bench.create(json!({"environment": [
            {"name": "TOKEN", "secret": "token"}, {"name": "PLAIN", "value": "x y"},
        ]}));
        let params = json!({"id": sandbox.id, "network": {}});
        assert_eq!(bench.fail("start", params)["data"]["kind"], "invalid_workspace");
        let params = json!({"id": sandbox.id, "network": {}, "secretValues": {"token": value}});
        bench.call("start", params).unwrap();
        assert_eq!(sandbox.sh("echo $TOKEN $PLAIN"), format!("{value} x y"));
        for file in fs::read_dir(sandbox.folder()).unwrap().flatten() {
            let text = fs::read(file.path()).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&text).contains(&value), "{:?}", file.path());
        }
        assert!(command_lines().all(|line| !line.contains(&value)));
    });
}

#[test]
fn what_the_agent_made_undeletable_is_deleted() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        sandbox.sh("mkdir -p ~/go/mod/x && touch ~/go/mod/x/y && chmod -R a-w ~/go && chmod 000 ~/go/mod/x");
        // Deeper than a path can say and a thread's stack can follow.
        sandbox
            .sh("perl -e 'chdir; mkdir q(d), chdir q(d) or die $! for 1..10000; mkdir q(z); chmod 0, q(z)'");
        sandbox.stop(5);
        bench.call("remove", json!({"id": sandbox.id})).unwrap();
        assert_eq!(fs::read_dir(bench.storage().join("instances")).unwrap().count(), 0);
    });
}
