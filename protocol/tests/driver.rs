//! The driver's side of the wire, seen from outside: what a driver made of this crate answers to which bytes.
#![expect(clippy::unwrap_used, reason = "a test may panic anywhere")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use kdn_protocol::{
    PROTOCOL_ENV,
    frame::{MAX_FRAME_BYTES, MIN_FRAME_LIMIT},
};
use serde_json::{Value, json};

mod support;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

#[expect(clippy::disallowed_methods, reason = "the one place of these tests that starts a process")]
fn command(example: &str) -> Command {
    let mut command = Command::new(support::example(example));
    command.env_remove(PROTOCOL_ENV).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A driver, spoken to in bytes.
struct Wire {
    child: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Wire {
    fn to(example: &str) -> Self {
        let mut child = command(example).env(PROTOCOL_ENV, "1").spawn().unwrap();
        let stdin = child.stdin.take();
        let (sender, frames) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, stdin, frames, stderr: Some(stderr) }
    }

    /// A driver with a session.
    fn open(example: &str) -> Self {
        let mut wire = Self::to(example);
        assert!(wire.ask("initialize", &initialize())["result"].is_object());
        wire
    }

    fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes.as_ref()).unwrap();
        stdin.flush().unwrap();
    }

    fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n"));
    }

    fn request(&mut self, id: impl Into<Value>, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}));
    }

    /// The next frame of the driver.
    fn next(&self) -> Value {
        let line = self.frames.recv_timeout(PATIENCE).expect("a frame");
        let frame: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(frame["jsonrpc"], "2.0", "{line}");
        frame
    }

    /// Sends a request and returns the frame that follows.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.request(77, method, params);
        let answer = self.next();
        assert_eq!(answer["id"], 77, "{answer}");
        answer
    }

    fn code(&mut self, method: &str, params: &Value) -> i64 {
        self.ask(method, params)["error"]["code"].as_i64().unwrap_or_default()
    }

    /// Closes stdin; returns how the driver ends, the frames that were left, and its stderr.
    fn finish(mut self) -> (ExitStatus, Vec<String>, String) {
        drop(self.stdin.take());
        let frames = self.frames.iter().collect();
        let status = self.child.wait().unwrap();
        (status, frames, self.stderr.take().unwrap().join().unwrap())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn initialize() -> Value {
    json!({
        "protocolVersions": [1],
        "host": {"name": "test", "version": "0", "pid": 1},
        "storageDir": std::env::temp_dir().join("kdn-protocol-absent"),
    })
}

fn workspace(does: &str) -> Value {
    json!({
        "workspaceId": "a".repeat(64),
        "name": "good",
        "sourcePath": env!("CARGO_MANIFEST_DIR"),
        "agent": {"name": "shell"},
        "options": {"do": does},
    })
}

/// A line, and what is expected: an id and a code, or no answer.
type Case = (Vec<u8>, Option<(Value, i64)>);

/// An answer as its id and the code of its error, 0 for a result.
fn brief(frame: &Value) -> (Value, i64) {
    assert_ne!(frame.get("result").is_some(), frame.get("error").is_some(), "{frame}");
    (frame["id"].clone(), frame["error"]["code"].as_i64().unwrap_or_default())
}

#[test]
fn what_is_read_does_not_depend_on_how_it_is_written() {
    let request = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"type"}}"#);
    let mut wire = Wire::to("minimal");
    wire.write(format!("{}\n{}\n", request(1), request(2)));
    for piece in format!("{}\n", request(3)).as_bytes().chunks(6) {
        wire.write(piece);
    }
    wire.write(format!("\n  \t\n\r\n{}\r\n", request(4)));
    let large = json!({"_meta": {"padding": "x".repeat(64 * 1024)}});
    wire.request(5, "type", &large);
    for id in 1..=5 {
        assert_eq!(brief(&wire.next()), (id.into(), 0));
    }
}

#[test]
fn every_line_gets_the_answer_that_it_deserves() {
    let message = |rest: &str| format!(r#"{{"jsonrpc":"2.0",{rest}}}"#).into_bytes();
    let cases: [Case; 33] = [
        (b"{".into(), Some((json!(null), -32700))),
        (b"hello".into(), Some((json!(null), -32700))),
        (b"[{}".into(), Some((json!(null), -32700))),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"type\",\"x\":\"\xff\"}".into(),
            Some((json!(null), -32700)),
        ),
        (b"42".into(), Some((json!(null), -32600))),
        (b"null".into(), Some((json!(null), -32600))),
        (b"[]".into(), Some((json!(null), -32600))),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"type"},{}]"#.into(), Some((json!(null), -32600))),
        (b"{}".into(), Some((json!(null), -32600))),
        (br#"{"id":1,"method":"type"}"#.into(), Some((json!(1), -32600))),
        (br#"{"jsonrpc":"1.0","id":"a","method":"type"}"#.into(), Some((json!("a"), -32600))),
        (message(r#""id":1"#), Some((json!(1), -32600))),
        (message(r#""id":1,"method":7"#), Some((json!(1), -32600))),
        (message(r#""id":1,"method":null"#), Some((json!(1), -32600))),
        (message(r#""id":1,"result":{}"#), Some((json!(1), -32600))),
        (message(r#""id":null,"method":"type""#), Some((json!(null), -32600))),
        (message(r#""id":1.5,"method":"type""#), Some((json!(null), -32600))),
        (message(r#""id":true,"method":"type""#), Some((json!(null), -32600))),
        (message(r#""id":[1],"method":"type""#), Some((json!(null), -32600))),
        (message(r#""id":9007199254740991,"method":"type""#), Some((json!(9_007_199_254_740_991_u64), 0))),
        (message(r#""id":0,"method":"type""#), Some((json!(0), 0))),
        (message(r#""id":"a\u0041\n","method":"type""#), Some((json!("aA\n"), 0))),
        (message(r#""id":1,"method":"t\u0079pe""#), Some((json!(1), 0))),
        (message(r#""id":1,"method":"type","params":{"x":1,"_meta":{}},"y":2"#), Some((json!(1), 0))),
        (message(r#""id":1,"method":"type","params":null"#), Some((json!(1), -32602))),
        (message(r#""id":1,"method":"type","params":[]"#), Some((json!(1), -32602))),
        (
            message(r#""id":1,"method":"initialize","params":{"protocolVersions":1}"#),
            Some((json!(1), -32602)),
        ),
        (message(r#""id":1,"method":"x-acme/snapshot""#), Some((json!(1), -32601))),
        (message(r#""id":1,"method":"","params":[]"#), Some((json!(1), -32601))),
        (message(r#""method":"x-acme/hello""#), None),
        (message(r#""method":"initialize","params":{}"#), None),
        (message(r#""method":"$/cancelRequest","params":{"id":1}"#), None),
        (message(r#""method":"$/cancelRequest","params":"1""#), None),
    ];
    let mut wire = Wire::to("minimal");
    for (line, expected) in cases {
        wire.write([&line[..], b"\n"].concat());
        if let Some(expected) = expected {
            assert_eq!(brief(&wire.next()), expected, "{}", String::from_utf8_lossy(&line));
        }
    }
    assert_eq!(wire.code("type", &json!({})), 0, "the driver goes on, and nothing came between");
}

#[test]
fn a_frame_may_be_as_large_as_the_limit_and_no_larger() {
    let frame = |size: usize| {
        let frame = |padding| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"type","x":"{padding}"}}"#);
        frame("x".repeat(size - frame(String::new()).len()))
    };
    let mut wire = Wire::to("minimal");
    wire.write(format!("{}\n", frame(MAX_FRAME_BYTES)));
    assert_eq!(brief(&wire.next()), (json!(1), 0));
    // The driver may end before it has read all.
    let _ = wire.stdin.as_mut().unwrap().write_all(format!("{}\n", frame(MAX_FRAME_BYTES + 1)).as_bytes());
    assert_eq!(brief(&wire.next()), (json!(null), 1008));
    let (status, frames, stderr) = wire.finish();
    assert_eq!((status.code(), frames), (Some(1), vec![]));
    assert_eq!(stderr, "the connection failed: a frame is larger than 16777216 bytes\n");
}

#[test]
fn a_line_that_stdin_cuts_short_is_not_carried_out() {
    let mut wire = Wire::to("minimal");
    wire.write(r#"{"jsonrpc":"2.0","id":1,"method":"type"}"#);
    let (status, frames, _) = wire.finish();
    assert_eq!((status.code(), frames), (Some(0), vec![]));
}

#[test]
fn an_answer_that_is_too_large_becomes_an_error() {
    let mut wire = Wire::to("good-driver");
    let mut params = initialize();
    params["limits"] = json!({"maxFrameBytes": MIN_FRAME_LIMIT});
    wire.ask("initialize", &params);
    let mut create = workspace("");
    create["options"]["size"] = (MIN_FRAME_LIMIT - 1000).to_string().into();
    assert_eq!(wire.code("create", &create), 0);
    create["options"]["size"] = MIN_FRAME_LIMIT.to_string().into();
    let error = wire.ask("create", &create)["error"].clone();
    assert_eq!(error["data"]["kind"], "frame_too_large");
    assert_eq!(error["message"], "the answer is larger than a frame of 1048576 bytes");
}

#[cfg(unix)]
#[test]
fn what_a_driver_and_its_children_print_is_not_on_the_wire() {
    let mut wire = Wire::open("good-driver");
    assert_eq!(wire.code("create", &workspace("print")), 0);
    let (status, frames, stderr) = wire.finish();
    assert_eq!((status.code(), frames), (Some(0), vec![]));
    assert_eq!(stderr, "printed by the driver\nprinted by a child\n");
}

#[test]
fn a_panic_is_an_answer_and_the_driver_lives_on() {
    let mut wire = Wire::open("good-driver");
    let error = wire.ask("create", &workspace("panic"))["error"].clone();
    assert_eq!(error["code"], -32603);
    assert_eq!(error["data"]["kind"], "internal");
    assert_eq!(error["message"], "the driver panicked in create: no luck");
    assert_eq!(wire.code("status", &json!({})), 0);
}

#[test]
fn steps_end_before_the_response_and_nothing_follows_it() {
    let step = |event: &str, more: Value| {
        let mut params = json!({"requestId": 5, "event": event});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"jsonrpc": "2.0", "method": "$/step", "params": params})
    };
    let log = json!({"requestId": 5, "stream": "stdout", "text": "layer 1\n"});
    let mut wire = Wire::open("good-driver");

    wire.request(5, "create", &workspace("step"));
    assert_eq!(wire.next(), step("start", json!({"inProgress": "Pulling", "completed": "Pulled"})));
    assert_eq!(wire.next(), step("update", json!({"current": 1})));
    assert_eq!(wire.next(), step("start", json!({"inProgress": "Building", "completed": "Built"})));
    assert_eq!(wire.next(), json!({"jsonrpc": "2.0", "method": "$/log", "params": log}));
    assert_eq!(wire.next(), step("complete", json!({})));
    assert_eq!(brief(&wire.next()), (json!(5), 0));
    assert_eq!(wire.code("info", &json!({"id": "good-1"})), 0, "what it tells of the create comes too late");

    wire.request(5, "create", &workspace("fail"));
    assert_eq!(wire.next(), step("start", json!({"inProgress": "Pulling", "completed": "Pulled"})));
    assert_eq!(wire.next(), step("fail", json!({"error": "no such thing"})));
    assert_eq!(
        wire.next()["error"],
        json!({"code": 1006, "message": "no such thing", "data": {"kind": "unsupported", "hints": ["do without"]}})
    );

    wire.request("a string", "create", &workspace("step"));
    assert_eq!(brief(&wire.next()), (json!("a string"), 0), "no step can name such a request");
}

#[test]
fn a_cancelled_request_is_answered_and_others_do_not_wait_for_it() {
    let mut wire = Wire::open("good-driver");
    let cancel = |id: u32| json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}});
    wire.request(5, "create", &workspace("wait"));
    assert_eq!(wire.next()["params"]["event"], "start");
    wire.send(&cancel(4));
    assert_eq!(wire.code("status", &json!({})), 0);
    wire.send(&cancel(5));
    assert_eq!(wire.next()["params"]["event"], "fail");
    assert_eq!(brief(&wire.next()), (json!(5), 1012));
    wire.send(&cancel(5));
    assert_eq!(wire.code("status", &json!({})), 0);
}

#[test]
fn a_session_has_a_beginning_and_an_end() {
    let mut wire = Wire::to("good-driver");
    let nonsense = json!({"id": 7});
    for method in ["create", "start", "stop", "remove", "info", "list", "status", "shutdown"] {
        assert_eq!(wire.code(method, &nonsense), 1011, "{method}");
    }
    let mut other = initialize();
    other["protocolVersions"] = json!([0, 2]);
    let error = wire.ask("initialize", &other)["error"].clone();
    assert_eq!(error["code"], 1010);
    assert_eq!(error["data"], json!({"kind": "version_mismatch", "hints": [], "supported": [1]}));
    assert_eq!(error["message"], "no protocol version in common: the host speaks [0, 2], this driver [1]");
    for (field, value) in [("storageDir", json!("relative")), ("limits", json!({"maxFrameBytes": 1}))] {
        let mut wrong = initialize();
        wrong[field] = value;
        assert_eq!(wire.code("initialize", &wrong), -32602, "{field}");
    }

    let mut newer = initialize();
    newer["protocolVersions"] = json!([1, 99]);
    assert_eq!(wire.ask("initialize", &newer)["result"]["protocolVersion"], 1);
    assert_eq!(wire.code("initialize", &newer), 1011);
    assert_eq!(wire.code("initialize", &json!({})), 1011);
    for method in ["terminal", "dashboard", "listAgents", "x"] {
        assert_eq!(wire.code(method, &nonsense), -32601, "{method}");
    }
    for method in ["create", "start", "stop", "remove", "info"] {
        assert_eq!(wire.code(method, &nonsense), -32602, "{method}");
    }
    assert_eq!(wire.code("status", &json!({})), 0);
    assert_eq!(wire.code("shutdown", &json!([])), -32602);

    assert_eq!(wire.code("shutdown", &json!({})), 0);
    for method in ["shutdown", "initialize", "list", "status"] {
        assert_eq!(wire.code(method, &nonsense), 1011, "{method}");
    }
    assert_eq!(wire.code("type", &json!({})), 0);
    assert_eq!(wire.code("flags", &json!({})), 0);
    assert_eq!(wire.finish().0.code(), Some(0));
}

#[test]
fn a_workspace_that_is_wrong_does_not_reach_the_driver() {
    let mut wire = Wire::open("good-driver");
    let mut wrong = |field: &str, value: Value, code: i64| {
        let mut create = workspace("panic");
        create[field] = value;
        let error = wire.ask("create", &create)["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        error["data"]["fieldPath"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(wrong("workspaceId", json!("A"), 1002), "workspaceId");
    assert_eq!(wrong("sourcePath", json!("/nowhere/at/all"), 1002), "sourcePath");
    assert_eq!(wrong("options", json!({"image": "x"}), 1002), "options.image");
    assert_eq!(wrong("ports", json!([{"target": 80}]), 1006), "ports");
    assert_eq!(wrong("network", json!({"mode": "deny"}), 1006), "network.mode");
    assert_eq!(wrong("network", json!({"mode": "some"}), -32602), "");
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    let mut wire = Wire::open("good-driver");
    let start = json!({"id": "good-1", "network": {}, "secretValues": {"pin": 271_828}});
    let answer = wire.ask("start", &start);
    assert_eq!(answer["error"]["code"], -32602);
    assert!(!answer.to_string().contains("271828"), "{answer}");
}

#[test]
fn the_end_of_stdin_cancels_what_runs() {
    let mut wire = Wire::open("good-driver");
    wire.request(5, "create", &workspace("wait"));
    wire.next();
    let (status, frames, _) = wire.finish();
    assert_eq!(status.code(), Some(0));
    assert!(frames.last().unwrap().contains(r#""kind":"cancelled""#), "{frames:?}");
}

#[cfg(unix)]
#[test]
fn sigterm_cancels_what_runs() {
    use rustix::process::{Pid, Signal, kill_process};
    let mut wire = Wire::open("good-driver");
    wire.request(5, "create", &workspace("wait"));
    wire.next();
    kill_process(Pid::from_child(&wire.child), Signal::TERM).unwrap();
    assert_eq!(wire.next()["params"]["event"], "fail");
    assert_eq!(brief(&wire.next()), (json!(5), 1012));
    assert_eq!(wire.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_driver_that_nobody_hears_ends() {
    let mut child = command("minimal").env(PROTOCOL_ENV, "1").spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // A process that another test forks at this moment may hold the pipe for an instant.
    while stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"type\"}\n").is_ok() {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_person_is_told_what_it_is() {
    let run = |argument: &[&str], env: bool| -> Output {
        let mut command = command("good-driver");
        if env {
            command.env(PROTOCOL_ENV, "1");
        }
        command.args(argument).stdin(Stdio::null()).output().unwrap()
    };
    let about = "kdn-runtime-good 1.2.3: Good\n\n\
        It is a runtime driver: kdn starts it and speaks protocol version 1 with it over stdin and stdout.\n\
        Put it on PATH, and `kdn runtime list` shows it.\n";
    let cases = [
        (run(&["--version"], true), 0, "kdn-runtime-good 1.2.3\n".to_owned(), String::new()),
        (run(&["--help"], false), 0, about.to_owned(), String::new()),
        (run(&[], false), 64, String::new(), about.to_owned()),
        (
            run(&["up"], true),
            64,
            String::new(),
            format!("kdn-runtime-good: unknown argument \"up\"\n\n{about}"),
        ),
    ];
    for (output, code, stdout, stderr) in cases {
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), stdout);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), stderr);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "breaks a file")]
fn the_minimal_driver_keeps_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("runtimes/minimal");
    let mut params = initialize();
    params["storageDir"] = storage.to_str().into();
    let create = |id: &str, name: &str| {
        let mut workspace = workspace("");
        workspace.as_object_mut().unwrap().remove("options");
        workspace["workspaceId"] = id.repeat(64).into();
        workspace["name"] = name.into();
        workspace
    };
    let id = json!({"id": "a".repeat(64)});

    let mut wire = Wire::to("minimal");
    wire.ask("initialize", &params);
    assert_eq!(wire.ask("list", &json!({}))["result"]["instances"], json!([]));
    assert!(!storage.exists());
    wire.request(1, "create", &create("a", "app"));
    let kinds: Vec<Value> = (0..3).map(|_| wire.next()["params"]["event"].clone()).collect();
    assert_eq!(kinds, [json!("start"), json!("complete"), json!(null)]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(storage.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    // Its steps are not what is looked at here.
    let mut wire = Wire::to("minimal");
    wire.ask("initialize", &params);
    let mut quietly = |method: &str, params: &Value| {
        wire.request("quietly", method, params);
        let answer = wire.next();
        answer["error"]["data"]["kind"].as_str().map_or_else(|| answer["result"].clone(), Value::from)
    };
    assert_eq!(quietly("create", &create("a", "app"))["state"], "stopped", "it is known");
    assert_eq!(quietly("create", &create("b", "app")), "already_exists");
    assert_eq!(quietly("start", &json!({"id": id["id"], "network": {}}))["state"], "running");
    assert_eq!(quietly("remove", &id), "invalid_state");
    assert_eq!(quietly("info", &json!({"id": "../a"})), "instance_not_found");
    assert_eq!(quietly("list", &json!({"workspaceIds": ["b"]}))["instances"], json!([]));
    assert_eq!(quietly("stop", &id)["state"], "stopped");

    // What can't be read is there, and can be removed.
    std::fs::write(storage.join("a".repeat(64)), "{").unwrap();
    let broken = quietly("info", &id);
    assert_eq!(broken["state"], "error");
    assert_eq!(quietly("list", &json!({"workspaceIds": [id["id"]]}))["instances"], json!([broken]));
    assert_eq!(quietly("remove", &id), json!({}));
    assert_eq!(quietly("remove", &id), json!({}));
    assert_eq!(quietly("list", &json!({}))["instances"], json!([]));
}
