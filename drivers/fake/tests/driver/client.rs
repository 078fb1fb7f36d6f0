//! A host that knows nothing but lines of JSON.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Far more than anything takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

const DRIVER: &str = env!("CARGO_BIN_EXE_kdn-runtime-fake");

pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<Value>,
    responses: HashMap<u64, Value>,
    /// All steps that came, as `(event, inProgress)`.
    pub(crate) steps: Vec<(String, String)>,
    last_id: u64,
}

impl Client {
    /// A session over a storage folder.
    pub(crate) fn open(storage: &Path) -> Self {
        Self::open_with(storage, json!({}))
    }

    pub(crate) fn open_with(storage: &Path, limits: Value) -> Self {
        let mut child = Command::new(DRIVER)
            .env("KDN_RUNTIME_PROTOCOL", "1")
            .env("FOREIGN", "the user's own")
            .env("KDN_FAKE_SECRET_STORE", storage.with_file_name("secrets.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, frames) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let stdin = child.stdin.take();
        let mut client =
            Self { child, stdin, frames, responses: HashMap::new(), steps: Vec::new(), last_id: 0 };
        let host = json!({"name": "test", "version": "0", "pid": 1});
        let params = json!({"protocolVersions": [1], "host": host, "storageDir": storage, "limits": limits});
        client.ok("initialize", params);
        client
    }

    pub(crate) fn send(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        self.write(&json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}));
        self.last_id
    }

    #[cfg(unix)]
    pub(crate) fn cancel(&mut self, id: u64) {
        self.write(&json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}}));
    }

    fn write(&mut self, frame: &Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{frame}").unwrap();
    }

    /// Takes one frame in.
    fn read(&mut self) {
        let frame = self.frames.recv_timeout(PATIENCE).expect("the driver says no more");
        match frame["id"].as_u64() {
            Some(id) => drop(self.responses.insert(id, frame)),
            None if frame["method"] == "$/step" => {
                let text = |member: &str| frame["params"][member].as_str().unwrap_or_default().to_owned();
                self.steps.push((text("event"), text("inProgress")));
            }
            None => {}
        }
    }

    /// The result of a request, or the `data` of its error.
    pub(crate) fn answer(&mut self, id: u64) -> Result<Value, Value> {
        loop {
            if let Some(response) = self.responses.remove(&id) {
                return match response.get("result") {
                    Some(result) => Ok(result.clone()),
                    None => Err(response["error"]["data"].clone()),
                };
            }
            self.read();
        }
    }

    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send(method, params);
        self.answer(id)
    }

    pub(crate) fn ok(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The kind of the error that a request gets.
    pub(crate) fn kind(&mut self, method: &str, params: Value) -> String {
        self.call(method, params).unwrap_err()["kind"].as_str().unwrap().to_owned()
    }

    /// Waits until the next step has begun.
    #[cfg(unix)]
    pub(crate) fn wait_for_step(&mut self) {
        let count = self.steps.len();
        while self.steps.len() == count {
            self.read();
        }
    }

    /// The process of the plan for a command in `fake-001`, as a host runs it.
    #[cfg(target_os = "linux")]
    pub(crate) fn plan(&mut self, command: &[&str]) -> Command {
        let plan = self.ok("terminal", json!({"id": "fake-001", "command": command}));
        let mut process = Command::new(plan["program"].as_str().unwrap_or(DRIVER));
        process.args(plan["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
        process.env("FOREIGN", "the user's own").env("HIDDEN", "the user's own");
        for (name, value) in plan["env"].as_object().unwrap() {
            match value.as_str() {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process
    }

    /// What a shell script prints in `fake-001`.
    #[cfg(target_os = "linux")]
    pub(crate) fn script(&mut self, script: &str) -> String {
        let output = self.plan(&["sh", "-c", script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn list(&mut self) -> Vec<Value> {
        self.ok("list", json!({}))["instances"].as_array().unwrap().clone()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }

    /// How the driver ended, once it did.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the driver does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Waits until something is the case.
#[cfg(target_os = "linux")]
pub(crate) fn wait_until(what: &str, is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "{what}: not yet");
        thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A storage folder, not made yet, and a folder of sources.
pub(crate) struct Place {
    pub(crate) storage: PathBuf,
    pub(crate) source: PathBuf,
    _dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir(&source).unwrap();
        Self { storage: dir.path().join("storage"), source, _dir: dir }
    }

    pub(crate) fn open(&self) -> Client {
        Client::open(&self.storage)
    }

    /// A workspace of its own for each number.
    pub(crate) fn workspace(&self, number: u32, more: Value) -> Value {
        let mut workspace = json!({
            "workspaceId": format!("{number:064x}"),
            "name": format!("app-{number}"),
            "sourcePath": self.source,
            "agent": {"name": "shell"},
        });
        let Value::Object(more) = more else { panic!("not an object") };
        workspace.as_object_mut().unwrap().extend(more);
        workspace
    }

    /// The processes whose arguments or environment name this place, apart from this one.
    #[cfg(target_os = "linux")]
    pub(crate) fn processes(&self) -> Vec<u32> {
        let own = std::process::id();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let place = self.storage.parent().unwrap().to_str().unwrap();
        let names = |pid: u32, file: &str| {
            let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&content).contains(place)
        };
        let folder =
            |pid: u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(place));
        pids.filter(|pid| *pid != own && (names(*pid, "cmdline") || names(*pid, "environ") || folder(*pid)))
            .filter(|pid| !is_driver(*pid))
            .collect()
    }

    /// The files of the storage folder by their relative path, apart from the one that is only ever locked.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.storage.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                let path = entry.path();
                files.push(path.strip_prefix(&self.storage).unwrap().to_str().unwrap().to_owned());
            }
        }
        files.retain(|file| !["lock", "homes", "claims", "work"].contains(&file.as_str()));
        files.sort();
        files
    }
}

/// A driver has the place in its environment, but is no process of an instance.
#[cfg(target_os = "linux")]
fn is_driver(pid: u32) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == b"KDN_RUNTIME_PROTOCOL=1")
}

impl Drop for Place {
    /// A test that failed leaves nothing running.
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        for pid in self.processes() {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
