//! A driver process per test, spoken to line by line, in folders that belong to the user it runs as.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// An ordinary user that no machine has.
const PLAIN: u32 = 12345;
/// Whom the sources belong to when root runs the driver.
pub(crate) const OWNER: u32 = 4321;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum User {
    Root,
    Plain,
    /// Whoever runs the tests, when that is not root.
    Me,
}

/// One user's folders and driver.
pub(crate) struct Bench {
    pub(crate) user: User,
    pub(crate) folder: tempfile::TempDir,
    exe: PathBuf,
    driver: Mutex<Driver>,
}

/// An instance of a bench, stopped and removed at the end of the test.
pub(crate) struct Sandbox<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) id: String,
}

/// Runs a test for each user that it can run as.
pub(crate) fn for_each_user(test: impl Fn(&Bench)) {
    let users: &[User] =
        if rustix::process::geteuid().is_root() { &[User::Root, User::Plain] } else { &[User::Me] };
    for user in users {
        let bench = Bench::new(*user);
        let status = bench.call("status", json!({})).unwrap();
        if status["state"] == "ready" {
            test(&bench);
        } else {
            println!("skipped: user namespaces not available: {status}");
            let required = required();
            assert!(!required.split(',').any(|tool| tool == "sandbox"), "KDN_REQUIRE names the sandbox");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn required() -> String {
    std::env::var("KDN_REQUIRE").unwrap_or_default()
}

/// Waits for something that another process does.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The host's processes whose command line, with its NUL bytes, begins like this.
pub(crate) fn processes(beginning: &str) -> usize {
    command_lines().filter(|line| line.starts_with(beginning)).count()
}

/// The command lines of the host's processes.
pub(crate) fn command_lines() -> impl Iterator<Item = String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|process| String::from_utf8(fs::read(process.path().join("cmdline")).ok()?).ok())
}

#[expect(clippy::disallowed_methods, reason = "nobody needs this file after a crash")]
pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

/// Copies an executable in a process of its own: a descriptor open for writing that a fork of another test inherits
/// would keep it from being run.
#[expect(clippy::disallowed_methods, reason = "nothing of the driver's")]
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

/// A word that no other test uses.
pub(crate) fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{:03}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Bench {
    fn new(user: User) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, owner) in [("storage", 0), ("sources", OWNER), ("home", 0)] {
            fs::create_dir(folder.path().join(name)).unwrap();
            match user {
                User::Root => chown(folder.path().join(name), Some(owner), Some(owner)).unwrap(),
                User::Plain => chown(folder.path().join(name), Some(PLAIN), Some(PLAIN)).unwrap(),
                User::Me => {}
            }
        }
        // The build folder may lie where the ordinary user can't reach it.
        let exe = folder.path().join("kdn-runtime-sandbox");
        copy(Path::new(env!("CARGO_BIN_EXE_kdn-runtime-sandbox")), &exe);
        let driver = Mutex::new(Driver::start(&exe, user, &folder.path().join("storage/driver")));
        Self { user, folder, exe, driver }
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.folder.path().join("sources")
    }

    pub(crate) fn storage(&self) -> PathBuf {
        self.folder.path().join("storage/driver")
    }

    /// Whom files in the sources belong to.
    pub(crate) fn owner(&self) -> u32 {
        match self.user {
            User::Root => OWNER,
            User::Plain => PLAIN,
            User::Me => rustix::process::getuid().as_raw(),
        }
    }

    /// Another driver on the same storage.
    pub(crate) fn another_driver(&self) -> Driver {
        Driver::start(&self.exe, self.user, &self.storage())
    }

    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.driver.lock().unwrap().call(method, params)
    }

    /// The error of a call that must fail.
    pub(crate) fn fail(&self, method: &str, params: Value) -> Value {
        self.call(method, params).expect_err("the call succeeded")
    }

    /// A workspace with some fields of its own.
    pub(crate) fn workspace(&self, fields: Value) -> Value {
        let name = format!("w{}", marker());
        let mut workspace = json!({
            "workspaceId": format!("{:0>64}", &name[1..]), "name": name, "sourcePath": self.sources(),
            "agent": {"name": "shell", "command": ["sh"]},
        });
        let all = workspace.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        workspace
    }

    pub(crate) fn create(&self, fields: Value) -> Sandbox<'_> {
        let instance = self.call("create", self.workspace(fields)).unwrap();
        Sandbox { bench: self, id: instance["id"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn start(&self, fields: Value) -> Sandbox<'_> {
        let sandbox = self.create(fields);
        sandbox.start("allow").unwrap();
        sandbox
    }
}

impl Sandbox<'_> {
    pub(crate) fn start(&self, network: &str) -> Result<Value, Value> {
        self.bench.call("start", json!({"id": self.id, "network": {"mode": network}}))
    }

    pub(crate) fn stop(&self, grace: u32) -> Value {
        self.bench.call("stop", json!({"id": self.id, "graceSeconds": grace})).unwrap()
    }

    pub(crate) fn info(&self) -> Value {
        self.bench.call("info", json!({"id": self.id})).unwrap()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.bench.storage().join("instances").join(&self.id)
    }

    pub(crate) fn state_file(&self) -> Value {
        serde_json::from_slice(&fs::read(self.folder().join("state.json")).unwrap()).unwrap()
    }

    /// The process that enters the sandbox, as kdn would start it.
    pub(crate) fn client(&self, tty: bool, command: &[&str]) -> Command {
        let plan =
            self.bench.call("terminal", json!({"id": self.id, "command": command, "tty": tty})).unwrap();
        let args: Vec<&str> =
            plan["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let mut client = own_command(&self.bench.exe, self.bench.user);
        client.args(args).stdin(Stdio::null());
        client
    }

    pub(crate) fn run(&self, command: &[&str]) -> Output {
        self.client(false, command).output().unwrap()
    }

    /// What a shell script inside prints, without the last newline. Its errors count as output.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.run(&["sh", "-c", &format!("exec 2>&1; {script}")]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        text.trim_end().to_owned()
    }

    /// Kills the supervisor, as a crash would.
    pub(crate) fn crash(&self) {
        let pid = self.state_file()["supervisor"]["pid"].as_i64().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

impl Drop for Sandbox<'_> {
    fn drop(&mut self) {
        let _ = self.bench.call("stop", json!({"id": self.id, "graceSeconds": 0}));
        let _ = self.bench.call("remove", json!({"id": self.id}));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
fn own_command(exe: &Path, user: User) -> Command {
    let mut command = Command::new(exe);
    let home = exe.with_file_name("home");
    command.current_dir("/").env("KDN_TEST_LEAK", "leaked").env("HOME", home);
    if user == User::Plain {
        command.uid(PLAIN).gid(PLAIN);
    }
    command
}

/// A driver process.
pub(crate) struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    next_id: u32,
    /// Notifications so far.
    pub(crate) steps: Vec<Value>,
}

impl Driver {
    fn start(exe: &Path, user: User, storage: &Path) -> Self {
        let mut command = own_command(exe, user);
        command.env("KDN_RUNTIME_PROTOCOL", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut driver = Self { child, stdin, stdout, next_id: 0, steps: Vec::new() };
        let host = json!({"name": "test", "version": "0", "pid": 1});
        let params = json!({"protocolVersions": [1], "host": host, "storageDir": storage, "limits": {}, "capabilities": {}});
        driver.call("initialize", params).unwrap();
        driver
    }

    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        writeln!(self.stdin.as_ref().unwrap(), "{request}").unwrap();
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the driver has gone");
            let mut message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] != self.next_id {
                self.steps.push(message);
            } else if message.get("result").is_some() {
                return Ok(message["result"].take());
            } else {
                return Err(message["error"].take());
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
