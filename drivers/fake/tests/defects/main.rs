//! The man in the middle with real processes: he is not noticed, until his defect shows, and leaves nothing behind.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests set the scene by hand")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const DRIVER: &str = env!("CARGO_BIN_EXE_kdn-runtime-fake");

fn command(defect: Option<&str>) -> Command {
    let mut command = Command::new(DRIVER);
    command
        .env("KDN_RUNTIME_PROTOCOL", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(defect) = defect {
        command.env("KDN_FAKE_DEFECT", defect);
    }
    command
}

/// Writes these lines, ends stdin, and waits for the end.
fn say(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// The answers to these lines. Stdin stays open until all have come.
fn answers(defect: Option<&str>, requests: &[Value]) -> Vec<Value> {
    let mut child = command(defect).spawn().unwrap();
    for request in requests {
        writeln!(child.stdin.as_mut().unwrap(), "{request}").unwrap();
    }
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let frames = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let answers = frames.filter(|frame| frame.get("method").is_none()).take(requests.len()).collect();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    answers
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn open(dir: &TempDir) -> Value {
    let host = json!({"name": "test", "version": "0", "pid": 1});
    let params = json!({"protocolVersions": [1], "host": host, "storageDir": dir.path().join("storage")});
    request(1, "initialize", &params)
}

/// A workspace, each step of which takes `delay` milliseconds.
fn create(dir: &TempDir, delay: &str) -> Value {
    let params = json!({
        "workspaceId": "a".repeat(64),
        "name": "app",
        "sourcePath": dir.path(),
        "agent": {"name": "shell"},
        "options": {"fake-step-delay": delay},
    });
    request(2, "create", &params)
}

/// A session that has begun a `create` and is in its first step.
fn at_work(defect: &str, dir: &TempDir) -> Child {
    let mut child = command(Some(defect)).spawn().unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(format!("{}\n{}\n", open(dir), create(dir, "60000")).as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("$/step")), "no step");
    child
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn it_can_be_told_from_the_driver_by_nothing() {
    let session = |defect| {
        let dir = TempDir::new().unwrap();
        let lines =
            [request(0, "type", &json!({})), open(&dir), create(&dir, "0"), json!([7]), json!({"id": "x"})];
        answers(defect, &lines)
            .into_iter()
            .map(|frame| frame.to_string().replace(dir.path().to_str().unwrap(), "DIR"))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(session(None), session(Some("none")));

    for args in [&["--version"][..], &["--help"], &["--nonsense"], &[]] {
        let by_hand = |defect| {
            let mut command = command(defect);
            command.env_remove("KDN_RUNTIME_PROTOCOL").args(args);
            let Output { status, stdout, stderr } = say(command, b"");
            (status, stdout, stderr)
        };
        assert_eq!(by_hand(None), by_hand(Some("none")), "{args:?}");
    }
}

#[test]
fn a_defect_shows_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let answer = |defect, id| {
        let lines = [open(&dir), create(&dir, "0"), request(3, "info", &json!({"id": "none"}))];
        let mut answers = answers(Some(defect), &lines).into_iter();
        answers.find(|answer| answer["id"] == json!(id)).unwrap()
    };
    assert_eq!(answer("invents-states", 2)["result"]["state"], "created");
    assert_eq!(answer("invents-states", 3)["error"]["code"], 1001);
    assert_eq!(answer("invents-codes", 3)["error"]["code"], -32004);
    assert_eq!(answer("invents-codes", 2)["result"]["state"], "stopped");

    let type_request = request(1, "type", &json!({}));
    let said = |defect, input: &str| say(command(Some(defect)), input.as_bytes()).stdout.len();
    assert_eq!(said("ignores-crlf", &format!("{type_request}\r\n")), 0);
    assert_ne!(said("ignores-crlf", &format!("{type_request}\n")), 0);
    assert_eq!(answers(Some("carries-out-batches"), &[json!([type_request])])[0]["result"]["type"], "fake");
}

#[test]
fn an_unknown_name_is_refused_with_all_that_are_known() {
    let output = say(command(Some("does-it-all")), b"");
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains(" ignores-crlf "));
    let names = String::from_utf8(say(command(Some("list")), b"").stdout).unwrap();
    assert!(names.lines().any(|name| name == "ignores-crlf"));
}

#[test]
fn any_driver_can_be_behind() {
    let dir = TempDir::new().unwrap();
    let behind = dir.path().join("driver");
    fs::write(&behind, "#!/bin/sh\nenv | grep KDN_FAKE\ncat\necho \"$@\" >&2\nexit 7\n").unwrap();
    fs::set_permissions(&behind, Permissions::from_mode(0o755)).unwrap();
    for (args, said) in [(&[][..], "\n"), (&["exec", "a b"], "exec a b\n")] {
        let mut command = command(Some("none"));
        command.env("KDN_FAKE_BEHIND", &behind).args(args);
        let output = say(command, b"one\ntwo");
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(7), &b"one\ntwo"[..]));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    }
}

#[test]
fn the_driver_dies_with_it() {
    let dir = TempDir::new().unwrap();
    let mut child = at_work("none", &dir);
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let driver = fs::read_to_string(children).unwrap().trim().to_owned();
    let stat = format!("/proc/{driver}/stat");
    assert!(fs::read_to_string(&stat).unwrap().contains("(kdn-runtime-fak"));
    child.kill().unwrap();
    child.wait().unwrap();
    // Nobody may have waited for it yet.
    until("the driver is gone", || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")));
}

#[test]
fn sigterm_and_the_end_of_stdin_reach_the_driver() {
    for defect in ["none", "completes-what-failed"] {
        let dir = TempDir::new().unwrap();
        let mut child = at_work(defect, &dir);
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(is_empty(&dir.path().join("storage/homes")));

        let mut child = at_work(defect, &dir);
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(is_empty(&dir.path().join("storage/homes")));
    }
}

#[test]
fn a_plan_without_a_program_is_one_of_the_driver_behind() {
    let dir = TempDir::new().unwrap();
    let behind = dir.path().join("driver");
    let plan = json!({"jsonrpc": "2.0", "id": 1, "result": {"args": ["exec"]}});
    fs::write(&behind, format!("#!/bin/sh\nread -r request\necho '{plan}'\n")).unwrap();
    fs::set_permissions(&behind, Permissions::from_mode(0o755)).unwrap();
    let mut command = command(Some("none"));
    command.env("KDN_FAKE_BEHIND", &behind).arg0("kdn-runtime-other");
    let output = say(command, format!("{}\n", request(1, "terminal", &json!({}))).as_bytes());
    let frame: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(frame["result"]["program"], json!(behind));
    assert_eq!(frame["result"]["env"]["KDN_FAKE_DEFECT"], Value::Null);
}
