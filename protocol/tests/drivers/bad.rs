//! A driver for the tests of the host's side: it misbehaves as its first argument says, mostly in `create`. It is
//! written without the crate, so that it can.
#![expect(clippy::unwrap_used, reason = "a bad driver may panic")]

use std::{
    io::{self, BufRead, Read, StdinLock, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

fn main() -> ExitCode {
    let how = std::env::args().nth(1).unwrap_or_default();
    let mut driver = Bad { how, creating: Value::Null, cancelled: Value::Null, stdin: io::stdin().lock() };
    while let Some(message) = driver.read() {
        if let Some(code) = driver.take(&message) {
            return ExitCode::from(code);
        }
    }
    driver.end()
}

struct Bad {
    how: String,
    /// The id of a `create` that waits for its cancellation.
    creating: Value,
    /// The id of the request that was cancelled last.
    cancelled: Value,
    stdin: StdinLock<'static>,
}

impl Bad {
    fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stdin.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Takes a message; `Some` ends the driver.
    fn take(&mut self, message: &Value) -> Option<u8> {
        let id = &message["id"];
        match message["method"].as_str().unwrap() {
            "initialize" => self.initialize(id),
            "create" => return self.create(id),
            "$/cancelRequest" => self.cancel(message["params"]["id"].clone()),
            "info" => result(id, &instance(&format!("cancelled:{}", self.cancelled))),
            "shutdown" if self.how == "hang" => {}
            "shutdown" if !self.creating.is_null() => {
                complain("shutdown in the middle of create");
                result(id, &json!({}));
            }
            "start" if self.how == "dies" => {
                complain("started");
                return Some(3);
            }
            "start" if self.how == "echoes" => echo(id, &message["params"]["secretValues"]["token"]),
            _ => result(id, &json!({})),
        }
        None
    }

    fn initialize(&mut self, id: &Value) {
        let mismatch = |versions: &[u32]| {
            let data = json!({"kind": "version_mismatch", "supported": versions});
            error(id, &json!({"code": 1010, "message": "no protocol version in common", "data": data}));
        };
        match self.how.as_str() {
            "newer" => return mismatch(&[2, 3]),
            "older" => return mismatch(&[0]),
            _ => {}
        }
        let version = if self.how == "other version" { 9 } else { 1 };
        let capabilities = if self.how.starts_with("plain") {
            json!({})
        } else {
            json!({"cancellation": {}, "x-acme/y": 1})
        };
        let manifest = json!({
            "type": "bad", "displayName": "Bad", "version": "1", "protocolVersions": [1],
            "capabilities": capabilities, "workspaceSourcesPath": "/s", "workspaceHome": "/h",
        });
        result(id, &json!({"protocolVersion": version, "manifest": manifest}));
        match self.how.as_str() {
            "deaf until it dies" => {
                // Some of the next request, so that it is surely on its way.
                self.stdin.read_exact(&mut [0; 100]).unwrap();
                complain("I can't hear you");
                std::process::exit(4);
            }
            "deaf" => sleep(),
            _ => {}
        }
    }

    #[expect(clippy::too_many_lines, reason = "one list of misdeeds")]
    fn create(&mut self, id: &Value) -> Option<u8> {
        let ok = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, instance("made"));
        match self.how.as_str() {
            "stray" => {
                print(b"starting up\n\n   \n{\n[]\n7\n{}\n\xff\xfe\n");
                print(br#"{"jsonrpc":"2.0","id":98,"result":{}}"#);
                print(b"\n");
                print(br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}"#);
                print(format!("\n{{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"result\":{{}}}}\n").as_bytes());
                print(format!("{{\"jsonrpc\":\"1.0\",\"id\":{id},\"result\":{{}}}}\n").as_bytes());
                print(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":7}}\n").as_bytes());
                notify("$/hello", &json!({}));
                notify("x-acme/hello", &json!([]));
                notify("$/step", &json!({"requestId": 98, "event": "start", "inProgress": "Nothing"}));
                notify("$/step", &json!({"requestId": "a"}));
                print(format!("{ok}\n{ok}\n").as_bytes());
            }
            "chatter" => (0..101).for_each(|i| print(format!("line {i}\n").as_bytes())),
            "100 lines" => {
                (0..100).for_each(|i| print(format!("line {i}\n").as_bytes()));
                print(format!("{ok}\n").as_bytes());
            }
            "null error" => {
                print(ok.replace("\"result\"", "\"error\":null,\"result\"").as_bytes());
            }
            "both" => print(
                ok.replace("\"result\"", "\"error\":{\"code\":1,\"message\":\"x\"},\"result\"").as_bytes(),
            ),
            "neither" => print(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":null}}"#).as_bytes()),
            "own error" => {
                error(id, &json!({"code": -32000, "message": "it\nbroke", "data": "see above", "more": 1}));
            }
            "no error" => error(id, &json!("it broke")),
            "malformed" => result(id, &json!({"id": "made", "state": "stopped"})),
            "state" => {
                let mut created = instance("made");
                created["state"] = "created".into();
                result(id, &created);
            }
            "batch" => print(format!("[{ok}]").as_bytes()),
            "request" => {
                print(b"{\"jsonrpc\":\"2.0\",\"id\":\"mine\",\"method\":\"window/ask\",\"params\":{}}\n");
                let answer = self.read().unwrap();
                assert_eq!(answer["id"], "mine");
                result(id, &instance(&format!("{}", answer["error"]["code"])));
            }
            "large" => {
                print(&vec![b'x'; 16 * 1024 * 1024 + 1]);
                sleep();
            }
            "exit" => {
                complain("\nreading the plan\nno space left on device");
                return Some(3);
            }
            "torn" => {
                print(&ok.as_bytes()[..60]);
                return Some(0);
            }
            #[cfg(unix)]
            "close" => {
                rustix::stdio::dup2_stdout(std::fs::File::open("/dev/null").unwrap()).unwrap();
                sleep();
            }
            #[cfg(unix)]
            "stubborn" => {
                leave_child("sh", &[]);
                result(id, &instance("made"));
            }
            #[cfg(unix)]
            "holder" => {
                leave_child("setsid", &["sh"]);
                result(id, &instance("made"));
            }
            #[cfg(unix)]
            "dead holder" => {
                leave_child("setsid", &["sh"]);
                return Some(5);
            }
            "steps" => {
                for i in 0..100_000 {
                    let (event, done) = (["start", "complete"][i % 2], i);
                    notify(
                        "$/step",
                        &json!({"requestId": id, "event": event, "inProgress": format!("{done}")}),
                    );
                }
                result(id, &instance("made"));
            }
            "few steps" => {
                for i in 0..10 {
                    notify("$/step", &json!({"requestId": id, "event": "surprise", "current": i}));
                }
                notify("$/log", &json!({"text": "of nobody in particular\n"}));
                notify("$/log", &json!({"requestId": id, "stream": "new", "text": "of the request\n"}));
                result(id, &instance("made"));
            }
            "silent" | "hang" => {}
            _ => {
                notify("$/step", &json!({"requestId": id, "event": "start", "inProgress": "Creating"}));
                self.creating = id.clone();
                return None;
            }
        }
        print(b"\n");
        None
    }

    fn cancel(&mut self, id: Value) {
        if self.creating == id {
            match self.how.as_str() {
                "race" => result(&id, &instance("made")),
                "stuck" => notify("$/step", &json!({"requestId": id, "event": "update"})),
                _ => {
                    notify("$/step", &json!({"requestId": id, "event": "fail", "error": "cancelled"}));
                    cancelled(&id);
                }
            }
            if self.how != "stuck" {
                self.creating = Value::Null;
            }
        }
        self.cancelled = id;
    }

    /// The end of stdin.
    fn end(&self) -> ExitCode {
        match self.how.as_str() {
            "stubborn" | "stuck" | "hang" | "plain and stuck" => sleep(),
            "plain" => cancelled(&self.creating),
            _ => {}
        }
        ExitCode::SUCCESS
    }
}

fn instance(name: &str) -> Value {
    json!({"id": "bad-1", "workspaceId": "a".repeat(64), "name": name, "state": "stopped"})
}

fn cancelled(id: &Value) {
    error(id, &json!({"code": 1012, "message": "cancelled", "data": {"kind": "cancelled"}}));
}

fn result(id: &Value, result: &Value) {
    print(format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "result": result})).as_bytes());
}

fn error(id: &Value, error: &Value) {
    print(format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "error": error})).as_bytes());
}

fn notify(method: &str, params: &Value) {
    print(format!("{}\n", json!({"jsonrpc": "2.0", "method": method, "params": params})).as_bytes());
}

/// Prints what a host may no longer read.
/// Quotes a secret wherever it can.
fn echo(id: &Value, value: &Value) {
    complain(&format!("curl -H {value}"));
    let log = json!({"requestId": id, "stream": "stderr", "text": value});
    print(format!("{}\n", json!({"jsonrpc": "2.0", "method": "$/log", "params": log})).as_bytes());
    let data = json!({"kind": "internal", "hints": [value]});
    error(id, &json!({"code": -32603, "message": format!("curl -H {value} failed"), "data": data}));
}

fn print(bytes: &[u8]) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Longer than any test takes.
fn sleep() {
    thread::sleep(Duration::from_mins(10));
}

/// Leaves a child behind that holds stdout and stderr, and bears the name of the test among its arguments. Returns
/// when the child has come to itself.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the one place of this driver that starts a process")]
#[expect(clippy::zombie_processes, reason = "it is left behind")]
fn leave_child(program: &str, args: &[&str]) {
    let test = std::env::args().nth(2).unwrap();
    let (mut ready, child_end) = io::pipe().unwrap();
    let script = ["-c", "trap '' TERM; exec <&-; sleep 600; :", &test];
    let mut command = std::process::Command::new(program);
    command.args(args).args(script).stdin(child_end).spawn().unwrap();
    drop(command);
    let _ = ready.read(&mut [0]);
}
