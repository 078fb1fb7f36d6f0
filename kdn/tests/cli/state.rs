//! Workspaces whose instances, drivers or files have changed without kdn, and several kdn at once.

use std::{collections::HashSet, fs};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{Env, INIT};

impl Env {
    /// Changes the records of `fake` without kdn.
    fn edit_fake(&self, edit: impl FnOnce(String) -> String) {
        let path = self.storage().join("runtimes/fake/instances.json");
        let before = fs::read_to_string(&path).unwrap();
        let after = edit(before.clone());
        assert_ne!(before, after);
        fs::write(path, after).unwrap();
    }

    /// Ends what runs of `fake` without kdn.
    fn kill_keepers(&self) {
        for process in self.processes() {
            let pid = process.split_ascii_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap();
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
        self.assert_no_processes();
    }

    fn no_instances(&self) {
        self.edit_fake(|_| r#"{"next_id": 2, "instances": {}}"#.to_owned());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_state_is_that_of_now() {
    let env = Env::with_app(&[]);
    let stored = env.storage().join("instances.json");
    let before = fs::read_to_string(&stored).unwrap();
    env.ok(&["start", "app"]);
    fs::write(&stored, before).unwrap();
    assert_eq!(env.list()[0]["state"], "running");
    env.ok(&["start", "app"]);
    assert!(env.list()[0]["timestamps"]["started"].is_u64());

    env.kill_keepers();
    let app = &env.list()[0];
    assert_eq!((&app["state"], &app["timestamps"]["started"]), (&json!("stopped"), &json!(null)));
    assert!(env.run(&["list", "--no-refresh"]).stdout.contains("running"));
    // It does not run, whatever is stored, so `remove` needs no force.
    env.ok(&["remove", "app"]);
    assert_eq!(env.list(), [json!(null); 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_restarted_workspace_runs_since_its_restart() {
    let env = Env::with_app(&[]);
    env.ok(&["start", "app"]);
    let started = |env: &Env| env.list()[0]["timestamps"]["started"].as_u64().unwrap();
    let first = started(&env);
    env.ok(&["start", "app"]);
    assert_eq!(started(&env), first, "it went on running");
    env.kill_keepers();
    env.ok(&["start", "app"]);
    assert!(started(&env) > first);
}

// SPEC: ERR-13
#[test]
fn an_instance_that_is_gone() {
    let env = Env::with_app(&[]);
    env.no_instances();
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       fake     error
    [SHORT ID  ]   ~/src/app                              its instance is gone
    ");
    assert_snapshot!(env.run(&["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to start runtime instance: instance not found: "fake-001"
    Its instance is gone: remove the workspace, and make it anew
    "#);
    assert_snapshot!(env.run(&["terminal", "app"]), @r#"
    exit code 125
    --- stderr
    Error: failed to auto-start instance: failed to start runtime instance: instance not found: "fake-001"
    Its instance is gone: remove the workspace, and make it anew
    "#);
    assert_snapshot!(env.run(&["stop", "app"]), @r"
    exit code 0
    --- stdout
    [ID]
    ");
    assert_snapshot!(env.run(&["remove", "app"]), @r"
    exit code 0
    --- stdout
    [ID]
    ");
    assert_eq!(Env::tree(&env.storage().join("locks")), [""; 0]);
}

#[test]
fn an_instance_of_another_workspace_is_not_touched() {
    let env = Env::with_app(&[]);
    env.ok(&[&INIT[..], &["-n", "other"]].concat());
    // The first workspace takes the second one's instance for its own, as with a driver that uses an id twice.
    let path = env.storage().join("instances.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen("fake-001", "fake-002", 1)).unwrap();
    env.edit_fake(|json| json.replace("\"fake-001\"", "\"fake-009\""));
    env.ok(&["remove", "app"]);
    assert_eq!(env.list()[0]["name"], "other");
    assert_eq!(env.list()[0]["state"], "stopped");
}

#[test]
fn a_driver_that_is_gone() {
    let env = Env::with_app(&[]);
    env.ok(&["start", "app"]);
    fs::remove_file(env.bin().join("kdn-runtime-fake")).unwrap();
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       fake     running?
    [SHORT ID  ]   ~/src/app                              for Ns
    --- stderr
    Warning: the last known states are shown: failed to get runtime: runtime not found: fake
    Put its driver, an executable named kdn-runtime-fake, on PATH; 'kdn runtime list' shows those that are there
    ");
    assert_snapshot!(env.run(&["list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "agent": "claude",
          "forwards": [],
          "id": "[ID]",
          "name": "app",
          "paths": {
            "configuration": "[ROOT]/home/src/app/.kaiden",
            "source": "[ROOT]/home/src/app"
          },
          "project": "demo",
          "reason": "failed to get runtime: runtime not found: fake",
          "runtime": "fake",
          "stale": true,
          "state": "running",
          "timestamps": {
            "created": [TIME],
            "started": [TIME]
          }
        }
      ]
    }
    "#);
    assert_snapshot!(env.run(&["start", "app"]), @r"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime not found: fake
    Put its driver, an executable named kdn-runtime-fake, on PATH; 'kdn runtime list' shows those that are there
    ");
    assert_snapshot!(env.run(&["remove", "app"]), @r"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime not found: fake
    Put its driver, an executable named kdn-runtime-fake, on PATH; 'kdn runtime list' shows those that are there
    Use --force to forget the workspace, whatever its runtime still holds
    ");
    assert_snapshot!(env.run(&["remove", "app", "--force"]), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: failed to get runtime: runtime not found: fake
    The workspace was forgotten; instance fake-001 of runtime "fake" may be left behind
    "#);
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    No workspaces registered
    ");
}

#[test]
fn a_storage_folder_of_an_earlier_program() {
    let env = Env::new();
    let entry = |id: &str, name: &str, runtime: &str| {
        json!({
            "id": id.repeat(32), "name": name,
            "paths": {"source": "/src/old", "configuration": "/src/old/.kaiden"},
            "runtime": {"type": runtime, "instance_id": "fake-001", "state": "running", "info": null, "pod": "p"},
            "project": "demo", "agent": "claude",
            "created_at": "2026-05-24T12:00:00.123456789+02:00", "started_at": "0001-01-01T00:00:00Z",
            "labels": {"colour": "blue"},
        })
    };
    let old = json!([entry("a1", "old", "podman"), entry("b2", "lost", "fake")]);
    fs::create_dir(env.storage()).unwrap();
    let path = env.storage().join("instances.json");
    fs::write(&path, old.to_string()).unwrap();

    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    lost           demo             claude       fake     error
    [SHORT ID  ]   /src/old                               its instance is gone
    old            demo             claude       podman   running?
    [SHORT ID  ]   /src/old
    --- stderr
    Warning: the last known states are shown: failed to get runtime: runtime not found: podman
    Put its driver, an executable named kdn-runtime-podman, on PATH; 'kdn runtime list' shows those that are there
    ");
    assert_eq!(fs::read_to_string(&path).unwrap(), old.to_string(), "reading does not rewrite");
    env.ok(&["remove", "b2b2"]);
    let kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(kept.as_array().unwrap().len(), 1);
    assert_eq!((&kept[0]["labels"], &kept[0]["runtime"]["pod"]), (&old[0]["labels"], &json!("p")));
    env.ok(&["remove", "old", "--force"]);
}

#[test]
fn an_entry_that_lacks_what_it_can() {
    let env = Env::new();
    let path = env.storage().join("instances.json");
    let old = json!([{
        "id": "c3".repeat(32), "name": "old", "created_at": null,
        "paths": {"source": "/src/old", "configuration": "/src/old/.kaiden"},
    }]);
    fs::create_dir(env.storage()).unwrap();
    fs::write(&path, old.to_string()).unwrap();
    assert_eq!(env.run(&["list", "-o", "json"]).stdout, env.run(&["list", "-o", "json"]).stdout);
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    old                                                   unknown
    [SHORT ID  ]   /src/old                               it has no runtime
    ");
    assert_snapshot!(env.run(&["start", "old"]), @r"
    exit code 1
    --- stderr
    Error: instance has no runtime configured
    Remove the workspace with --force, and make it anew
    ");
    assert_snapshot!(env.run(&["remove", "old", "--force"]), @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: instance has no runtime configured
    The workspace was forgotten
    ");

    fs::write(&path, json!([{"id": "", "name": "x"}]).to_string()).unwrap();
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 1
    --- stderr
    Error: failed to list instances: invalid entry 1 in [ROOT]/home/.kdn/instances.json: instance ID cannot be empty
    Correct [ROOT]/home/.kdn/instances.json, or move it away to start with an empty list
    ");
}

#[test]
fn what_the_list_on_disk_says_does_not_act_on_the_terminal() {
    let env = Env::new();
    let entry = json!({
        "id": "\u{1b}[2Jid", "name": "\u{9b}2Japp", "agent": "\u{202e}claude",
        "paths": {"source": "/src/\u{7}", "configuration": "/src"},
        "runtime": {"type": "\u{1b}c", "instance_id": "1", "state": "running", "info": null},
    });
    fs::create_dir(env.storage()).unwrap();
    fs::write(env.storage().join("instances.json"), json!([entry]).to_string()).unwrap();
    for line in ["list", "list -q", "list -o json", "start \u{9b}2Japp", "remove -f \u{9b}2Japp"] {
        let run = env.run(&line.split(' ').collect::<Vec<_>>());
        assert!(!run.to_string().contains(['\u{1b}', '\u{9b}', '\u{7}', '\u{202e}']), "{line}: {run}");
    }
}

#[test]
fn reading_creates_nothing() {
    let env = Env::new();
    let read = || {
        for line in
            ["list", "list -o json", "info", "runtime list --all", "version", "init -r fake --help", "--help"]
        {
            env.ok(&line.split(' ').collect::<Vec<_>>());
        }
        for line in [
            "init",
            "init -r fake",
            "start nope",
            "init -r fake -a claude nowhere",
            "terminal nope",
            "list x",
        ] {
            assert_ne!(env.run(&line.split(' ').collect::<Vec<_>>()).code, Some(0), "{line}");
        }
    };
    let before = Env::tree(env.root());
    read();
    assert_eq!(Env::tree(env.root()), before);

    // Where there is a storage folder, what drivers say of themselves is kept in it, and nothing else.
    env.ok(&INIT);
    let mut before = Env::tree(env.root());
    read();
    before.extend(["home/.kdn/cache", "home/.kdn/cache/drivers.json"].map(str::to_owned));
    before.sort();
    assert_eq!(Env::tree(env.root()), before);
}

#[test]
fn many_at_once_get_names_of_their_own() {
    let env = Env::new();
    let all: Vec<_> = (0..20).map(|_| env.start(&INIT)).collect();
    for one in all {
        let run = one.finish();
        assert_eq!(run.code, Some(0), "{run}");
    }
    let list = env.list();
    let names: HashSet<&str> = list.iter().map(|workspace| workspace["name"].as_str().unwrap()).collect();
    assert_eq!((list.len(), names.len()), (20, 20));
    assert!(names.contains("app") && names.contains("app-20"));
    assert!(list.iter().all(|workspace| workspace["state"] == "stopped"), "each has its instance");
    assert_eq!(Env::tree(&env.storage().join("pending")), [""; 0]);
}

// SPEC: CONC-07
#[test]
fn two_that_change_one_workspace_wait_for_each_other() {
    let env = Env::new();
    env.ok(&[&INIT[..], &["--fake-step-delay", "700"]].concat());
    let mut start = env.start(&["start", "app"]);
    start.expect("Preparing instance").signal(Signal::STOP);
    let mut stop = env.start(&["stop", "app", "--progress", "none"]);
    stop.expect("Waiting for another kdn to finish with app");

    // Others do not wait, and who waits can give up.
    env.ok(&[&INIT[..], &["-n", "other", "--start"]].concat());
    let mut remove = env.start(&["remove", "app", "--force"]);
    remove.expect("Waiting for another kdn to finish with app").signal(Signal::INT);
    assert_snapshot!(remove.finish(), @r"
    exit code 130
    --- stderr
    Waiting for another kdn to finish with app
    Error: interrupted
    ");

    start.signal(Signal::CONT);
    assert_eq!(start.finish().code, Some(0));
    assert_eq!(stop.finish().code, Some(0));
    let states: Vec<_> = env.list().iter().map(|workspace| workspace["state"].clone()).collect();
    assert_eq!(states, ["stopped", "running"]);
}
