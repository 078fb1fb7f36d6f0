//! What kdn owes a driver: how it starts it, what it sends, and what it does with what it was told before.

use std::{
    collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::PathBuf, process::Command,
};

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{INIT, assert_nothing_made, bad, with_app};
use crate::support::{Env, Run};

impl Env {
    /// A file beside the driver, in which it tells something.
    fn told(&self, what: &str) -> PathBuf {
        self.bin().join(format!("kdn-runtime-bad.{what}"))
    }

    /// Lets the driver keep the requests that it gets.
    fn keep_requests(&self) {
        fs::write(self.told("requests"), "").unwrap();
    }

    fn requests(&self) -> Vec<Value> {
        let lines = fs::read_to_string(self.told("requests")).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

// SPEC: LIFE-01, LIFE-02, LIFE-03, LIFE-04, LIFE-05
#[test]
fn how_a_driver_is_started() {
    // While kdn holds the lock of the workspace.
    let env = with_app("watches").set("OF_THE_USER", "mine").set("KDN_RUNTIME_PROTOCOL", "0");
    env.ok(&["stop", "app"]);
    assert_snapshot!(fs::read_to_string(env.told("start")).unwrap(), @r"
    arguments: 0
    folder: /
    protocol: 1
    of the user: mine
    leads its process group
    ");
    if cfg!(target_os = "linux") {
        let descriptors = fs::read_to_string(env.told("descriptors")).unwrap();
        let numbers = |listing: String| -> BTreeSet<String> {
            // The shell holds its script open.
            let links = listing.lines().filter_map(|line| line.split_once(" -> "));
            let others = links.filter(|(_, file)| !file.ends_with("driver.sh"));
            others.map(|(line, _)| line.rsplit(' ').next().unwrap().to_owned()).collect()
        };
        // What the tests were started with, kdn was too.
        let mut shell = Command::new("sh");
        let inherited = shell.args(["-c", "ls -l /proc/$$/fd; :"]).output().unwrap().stdout;
        let inherited = numbers(String::from_utf8(inherited).unwrap());
        assert!(numbers(descriptors.clone()).is_subset(&inherited), "{descriptors}");
    }
}

/// All the values in a message, however deep.
fn walk<'a>(value: &'a Value, see: &mut dyn FnMut(&'a Value)) {
    see(value);
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, see)),
        Value::Object(members) => members.values().for_each(|value| walk(value, see)),
        _ => {}
    }
}

// SPEC: WIRE-37, WIRE-42, INIT-10, IDEM-07, SHUT-03
#[test]
fn what_a_driver_is_sent() {
    let env = bad("good");
    env.keep_requests();
    for args in [&INIT[..], &["init", "-r", "bad", "-a", "shell", "-n", "two", "--start"]] {
        env.ok(args);
    }
    for args in ["start two", "list", "stop two", "info", "runtime list", "remove two"] {
        env.ok(&args.split(' ').collect::<Vec<_>>());
    }
    let requests = env.requests();
    for request in &requests {
        assert!(request["params"].is_object() && request["id"].is_u64(), "{request}");
        walk(request, &mut |value| assert!(!value.is_null(), "{request}"));
    }
    let of = |method: &str| -> Vec<&Value> {
        requests.iter().filter(|request| request["method"] == method).map(|r| &r["params"]).collect()
    };
    let storage = env.storage().join("runtimes/bad");
    assert!(of("initialize").iter().all(|params| params["storageDir"] == storage.to_str().unwrap()));
    let [one, two] = of("create")[..] else { panic!("two workspaces") };
    assert_ne!(one["workspaceId"], two["workspaceId"]);
    // Each session ends with its shutdown.
    let methods: Vec<&str> = requests.iter().map(|request| request["method"].as_str().unwrap()).collect();
    let sessions: Vec<_> = methods.split(|method| *method == "shutdown").collect();
    assert_eq!(sessions.last().unwrap().len(), 0, "{methods:?}");
    for session in sessions {
        assert!(!session.iter().skip(1).any(|method| *method == "initialize"), "{methods:?}");
    }
}

// SPEC: CAP-02
#[test]
fn what_a_driver_can_not_give_is_not_asked_for() {
    let env = bad("good");
    env.keep_requests();
    env.configure(&json!({"mounts": [{"host": "$HOME", "target": "/there"}]}));
    let run = env.run(&INIT);
    assert_nothing_made(&env, &run);
    assert_snapshot!(run, @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime "bad": mounting host paths is not supported
    Remove mounts from the configuration, or use another runtime
    "#);

    env.configure(&json!({}));
    env.ok(&INIT);
    env.configure(&json!({"network": {"mode": "deny"}}));
    assert_snapshot!(env.run(&["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to start runtime instance: runtime "bad": network mode "deny" is not supported
    Remove network from the configuration, or use another runtime
    "#);
    let asked = |method: &str| env.requests().iter().filter(|request| request["method"] == method).count();
    assert_eq!((asked("create"), asked("start")), (1, 0));
}

/// Those of variables are in the runtime's own store where it has one, and else kdn's.
// SPEC: START-07, WORK-15
#[test]
fn secrets_stay_where_they_are() {
    let init = |misdeed| {
        let env = bad(misdeed);
        let values = env.root().join("values");
        let env = env.set("KDN_SECRETS_FILE", values);
        env.keep_requests();
        env.configure(&json!({"environment": [{"name": "TOKEN", "secret": "github"}]}));
        let run = env.run(&INIT);
        (env, run)
    };
    let (env, run) = init("takes-secrets");
    assert_nothing_made(&env, &run);
    assert_snapshot!(run, @r#"
    exit code 1
    --- stderr
    Error: failed to get the secrets of the workspace: secret "github": secret not found
    'kdn secret create github ...' makes it; 'kdn secret list' shows those that are there
    "#);
    env.ok(&["secret", "create", "github", "--type", "github", "--value", "hidden"]);
    env.ok(&[&INIT[..], &["--start"]].concat());
    env.ok(&["stop", "app"]);
    env.ok(&["start", "app"]);
    let with_value: Vec<Value> =
        env.requests().into_iter().filter(|request| request.to_string().contains("hidden")).collect();
    assert_eq!(with_value.len(), 2);
    for request in with_value {
        assert_eq!(
            (&request["method"], &request["params"]["secretValues"]),
            (&json!("start"), &json!({"github": "hidden"}))
        );
    }

    let (env, run) = init("keeps-secrets");
    assert_eq!(run.code, Some(0), "{run}");
    env.ok(&["secret", "create", "github", "--type", "github", "--value", "hidden"]);
    env.ok(&["start", "app"]);
    for request in env.requests() {
        match request["method"].as_str().unwrap() {
            "create" => {
                assert_eq!(request["params"]["environment"], json!([{"name": "TOKEN", "secret": "github"}]));
            }
            "start" => assert_eq!(request["params"]["secretValues"], json!({})),
            _ => {}
        }
    }
}

// SPEC: FLAG-07
#[test]
fn a_required_option_is_required() {
    let env = bad("demands");
    env.keep_requests();
    let run = env.run(&INIT);
    assert_nothing_made(&env, &run);
    assert_snapshot!(run, @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime "bad": the option "bad-image" is required
    'kdn init --runtime bad --help' shows its options
    "#);
    assert!(env.requests().iter().all(|request| request["method"] != "create"));
    env.ok(&[&INIT[..], &["--bad-image", "debian"]].concat());
}

// SPEC: MAN-06
#[test]
fn who_is_not_isolated_is_warned() {
    assert_snapshot!(bad("not-isolated").run(&INIT), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: runtime "bad" does not isolate: the agent runs as you, with all your files in reach
    "#);
}

// SPEC: STAT-04
#[test]
fn what_is_in_a_state_of_its_own_is_not_ready() {
    let env = Env::with_drivers(&[]).with_bad_as("sandbox", "sleepy");
    assert_snapshot!(env.run(&["init", "-a", "claude"]), @r"
    exit code 1
    --- stderr
    Error: runtime is required: use --runtime flag or set KDN_DEFAULT_RUNTIME environment variable
    The runtime sandbox is not ready: it is late
    wait until tomorrow
    ");
}

// SPEC: WIRE-43
#[test]
fn a_path_that_is_no_text_is_named() {
    let env = bad("good");
    let folder = env.project().join(OsStr::from_bytes(b"caf\xe9"));
    // Not every system can have such a folder.
    if fs::create_dir(&folder).is_err() {
        return;
    }
    let run = |args: &[&str]| {
        let mut command = env.command(args);
        let output = command.arg(&folder).output().unwrap();
        Run::new(&command, output, env.root())
    };
    assert_snapshot!(run(&INIT), @r"
    exit code 1
    --- stderr
    Error: sources directory path is not UTF-8: [ROOT]/home/src/app/caf�
    ");
    assert_snapshot!(run(&["list", "--storage"]), @r"
    exit code 1
    --- stderr
    Error: storage directory path is not UTF-8: [ROOT]/home/src/app/caf�
    ");
}

// SPEC: DISC-11, DISC-15, DISC-16, INIT-08
#[test]
fn what_a_driver_said_before_counts_for_listings_only() {
    let env = with_app("good");
    fs::write(env.told("starts"), "").unwrap();
    let starts = |env: &Env| fs::read_to_string(env.told("starts")).unwrap().lines().count();
    env.run(&["init", "-r", "nope", "-a", "claude"]);
    env.ok(&["list", "--no-refresh"]);
    assert_eq!(starts(&env), 0, "it was not the one that was looked for");

    let listed = |env: &Env| env.ok(&["runtime", "list"]);
    assert!(listed(&env).contains("Misbehaves"));
    assert_eq!(starts(&env), 1);
    let env = env.set("BAD", "no-terminal");
    assert!(listed(&env).contains("Misbehaves"));
    assert_eq!(starts(&env), 1, "what it says is known");
    assert_snapshot!(env.run(&["terminal", "app"]), @r"
    exit code 125
    --- stderr
    Error: runtime bad does not support terminal sessions
    ");
    assert!(listed(&env).contains("Behaves"));
    assert_eq!(starts(&env), 2);
}

/// Another command cleans up what nobody holds, but not what is being made.
// SPEC: CREATE-11
#[test]
fn a_creation_under_way_is_left_alone() {
    let env = bad("slow");
    let mut init = env.start(&[&INIT[..], &["--progress", "plain"]].concat());
    init.expect("Working");
    assert_eq!(Env::tree(&env.storage().join("pending")).len(), 1);
    assert_snapshot!(env.run(&["stop", "nope"]), @r"
    exit code 1
    --- stderr
    Error: workspace not found: nope
    Use 'workspace list' to see available workspaces
    ");
    fs::write(env.told("go"), "").unwrap();
    assert_eq!(init.finish().code, Some(0));
    assert_eq!(env.list().len(), 1);
}

// SPEC: CREATE-13
#[test]
fn what_is_busy_is_tried_again_for_a_while() {
    let env = bad("busy");
    assert_snapshot!(env.run(&INIT), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 3
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    What was created so far could not be removed yet (being copied); the next command that changes something tries again
    "#);
    assert!(fs::read_to_string(env.told("tries")).unwrap().lines().count() > 5);
    assert_eq!(Env::tree(&env.storage().join("pending")).len(), 1);
    let env = env.set("BAD", "good");
    assert_snapshot!(env.run(&["stop", "nope"]), @r"
    exit code 1
    --- stderr
    Removed what was left of workspace app, whose creation was cut short
    Error: workspace not found: nope
    Use 'workspace list' to see available workspaces
    ");
    assert_eq!(Env::tree(&env.storage().join("runtimes/bad")), [""; 0]);
}

/// The driver answers the cancelled request with its result.
// SPEC: CANC-08
#[test]
fn what_was_made_in_spite_of_an_interrupt_is_removed() {
    let env = bad("wins");
    let mut init = env.start(&[&INIT[..], &["--progress", "plain"]].concat());
    init.expect("Working").signal(Signal::INT);
    let run = init.finish();
    assert_nothing_made(&env, &run);
    assert_snapshot!(run, @r"
    exit code 130
    --- stderr
    Working
    Error: interrupted
    ");
}
