//! What a defect can do besides changing the message at hand.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use kdn_protocol::ErrorKind;
use serde_json::Value;

use super::{
    json::{entries, failure, json, success},
    shim::Event,
};

/// What belongs to a request of the shim's own: what is done with its response.
type Then = Box<dyn FnOnce(&mut Wire, Value)>;

/// What is done later.
type Later = Box<dyn FnOnce(&mut Wire)>;

/// A request that is not answered yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    /// As they came from the host; null where no hook is interested in this method.
    pub(super) params: Value,
}

impl Request {
    /// The member `id` of the params.
    pub(super) fn instance(&self) -> &str {
        self.params["id"].as_str().unwrap_or_default()
    }

    pub(super) fn is_change(&self) -> bool {
        matches!(self.method.as_str(), "create" | "start" | "stop" | "remove")
    }
}

/// Both ends, and what is known of the session.
pub(super) struct Wire {
    to_host: Sender<Vec<u8>>,
    to_driver: Option<Sender<Vec<u8>>>,
    events: Sender<Event>,
    asked: HashMap<String, Then>,
    due: HashMap<u64, Later>,
    after: Vec<Vec<u8>>,
    held: Vec<Value>,
    serial: u64,
    /// The requests that are not answered, by the text of their id.
    pub(super) running: HashMap<String, Request>,
    /// The params of the `initialize` that succeeded, or of the last one.
    pub(super) session: Value,
    /// The manifest of the session; null before `initialize` has succeeded.
    pub(super) manifest: Value,
    /// Whether a `shutdown` succeeded.
    pub(super) is_shut_down: bool,
    /// The status with which the shim exits, whatever the driver's is.
    pub(super) status: Option<u8>,
    /// Whether the driver is killed, and the shim ends, at once.
    pub(super) is_dying: bool,
}

impl Wire {
    pub(super) fn new(to_host: Sender<Vec<u8>>, to_driver: Sender<Vec<u8>>, events: Sender<Event>) -> Self {
        Self {
            to_host,
            to_driver: Some(to_driver),
            events,
            asked: HashMap::new(),
            due: HashMap::new(),
            after: Vec::new(),
            held: Vec::new(),
            serial: 0,
            running: HashMap::new(),
            session: Value::Null,
            manifest: Value::Null,
            is_shut_down: false,
            status: None,
            is_dying: false,
        }
    }

    // ---- to the host

    /// Writes to the host, before the message at hand.
    pub(super) fn print(&mut self, bytes: impl Into<Vec<u8>>) {
        let _ = self.to_host.send(bytes.into());
    }

    /// Sends the host a message, before the one at hand.
    pub(super) fn tell(&mut self, frame: &Value) {
        self.print(format!("{frame}\n"));
    }

    /// Sends the host a message, behind the one at hand.
    pub(super) fn tell_after(&mut self, frame: &Value) {
        self.after.push(format!("{frame}\n").into_bytes());
    }

    /// Answers a request in the driver's place.
    pub(super) fn answer(&mut self, id: &Value, result: Value) {
        self.running.remove(&id.to_string());
        self.tell(&success(id, result));
    }

    /// Answers a request, or what is none, with an error in the driver's place.
    pub(super) fn refuse(&mut self, id: &Value, kind: ErrorKind, message: &str) {
        self.running.remove(&id.to_string());
        self.tell(&failure(id, kind, message));
    }

    /// Writes out what comes behind the message at hand.
    pub(super) fn flush(&mut self) {
        for bytes in std::mem::take(&mut self.after) {
            self.print(bytes);
        }
    }

    // ---- to the driver

    /// Writes to the driver.
    pub(super) fn pass(&mut self, bytes: impl Into<Vec<u8>>) {
        if let Some(driver) = &self.to_driver {
            let _ = driver.send(bytes.into());
        }
    }

    /// Sends the driver a message.
    pub(super) fn send(&mut self, frame: &Value) {
        self.pass(format!("{frame}\n"));
    }

    /// Sends the driver a request of the shim's own. Its steps and its response do not get to the host.
    pub(super) fn ask(
        &mut self,
        method: &str,
        params: &Value,
        then: impl FnOnce(&mut Self, Value) + 'static,
    ) {
        self.serial += 1;
        let id = format!("defect-{}", self.serial);
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.asked.insert(id, Box::new(then));
    }

    /// Sends the driver requests of the shim's own, one after the other, and goes on when all are answered.
    pub(super) fn ask_each(
        &mut self,
        mut requests: impl Iterator<Item = (String, Value)> + 'static,
        then: impl FnOnce(&mut Self) + 'static,
    ) {
        match requests.next() {
            Some((method, params)) => {
                self.ask(&method, &params, move |wire, _| wire.ask_each(requests, then));
            }
            None => then(self),
        }
    }

    /// Stops the instances that the driver lists, and goes on when all are.
    pub(super) fn stop_listed(&mut self, which: &Value, then: impl FnOnce(&mut Self) + 'static) {
        self.ask("list", which, |wire, mut response| {
            let listed = entries(&mut response["result"], "instances");
            let stops: Vec<_> = listed
                .map(|instance| ("stop".to_owned(), json!({"id": instance["id"], "graceSeconds": 0})))
                .collect();
            wire.ask_each(stops.into_iter(), then);
        });
    }

    /// Ends the driver's stdin.
    pub(super) fn end(&mut self) {
        self.to_driver = None;
    }

    /// Takes the response to a request of the shim's own out of the stream.
    pub(super) fn take_asked(&mut self, id: &str) -> Option<Then> {
        self.asked.remove(id)
    }

    // ---- keeping back

    /// Keeps a message for the driver until [`Self::release`].
    pub(super) fn hold(&mut self, frame: &Value) {
        self.held.push(frame.clone());
    }

    pub(super) fn release(&mut self) {
        for frame in std::mem::take(&mut self.held) {
            self.send(&frame);
        }
    }

    /// Does something later. What comes meanwhile is not kept.
    pub(super) fn later(&mut self, delay: Duration, then: impl FnOnce(&mut Self) + 'static) {
        self.serial += 1;
        let (token, events) = (self.serial, self.events.clone());
        self.due.insert(token, Box::new(then));
        thread::spawn(move || {
            thread::sleep(delay);
            let _ = events.send(Event::Due(token));
        });
    }

    pub(super) fn take_due(&mut self, token: u64) -> Option<Later> {
        self.due.remove(&token)
    }

    // ---- ending

    /// Kills the driver and exits with this status.
    pub(super) fn die(&mut self, status: u8) {
        self.status = Some(status);
        self.is_dying = true;
    }

    // ---- the session

    /// The storage folder.
    pub(super) fn storage(&self) -> PathBuf {
        PathBuf::from(self.session["storageDir"].as_str().unwrap_or_default())
    }

    /// A folder beside the storage folder, for what a defect must know in the next process.
    pub(super) fn memory(&self) -> PathBuf {
        let storage = self.storage();
        let name = storage.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let memory = storage.with_file_name(format!(".{name}.defect"));
        let _ = fs::create_dir_all(&memory);
        memory
    }

    /// Writes down what the next process must know.
    pub(super) fn remember(&self, name: &str, value: &Value) {
        put(&self.memory().join(name), value.to_string());
    }

    /// What was written down, by this process or another.
    pub(super) fn recall(&self, name: &str) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.memory().join(name)).ok()?).ok()
    }

    /// Leaves a file of a workspace in the storage folder that belongs to no instance.
    pub(super) fn leave_traces(&self, workspace: &Value) {
        put(&self.trace(workspace), workspace.to_string());
    }

    pub(super) fn remove_traces(&self, workspace: &Value) {
        let _ = fs::remove_file(self.trace(workspace));
    }

    fn trace(&self, workspace: &Value) -> PathBuf {
        let name = workspace["name"].as_str().filter(|name| !name.contains('/')).unwrap_or("unnamed");
        self.storage().join("unfinished").join(name)
    }

    /// Whether the backend can be used: a world without a shell has none.
    pub(super) fn has_backend() -> bool {
        let path = super::variable("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join("sh").exists())
    }

    /// The homes of the instance on the host, if they are in the storage folder.
    pub(super) fn homes(&self, instance: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let storage = self.storage();
        let mut folders = vec![storage.clone()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()) {
                let inside = path.strip_prefix(&storage).unwrap_or(&path);
                let words: Vec<_> = inside.iter().filter_map(|word| word.to_str()).collect();
                let is_home = words.contains(&"home") || words.contains(&"homes");
                if is_home && words.contains(&instance) {
                    found.push(path);
                } else {
                    folders.push(path);
                }
            }
        }
        found
    }
}

/// A value that several hooks of a defect share.
pub(super) fn shared<T: Default>() -> Rc<RefCell<T>> {
    Rc::default()
}

/// Writes a file, with the folders above it.
#[expect(clippy::disallowed_methods, reason = "what a defect writes need not survive a crash")]
pub(super) fn put(path: &Path, content: impl AsRef<[u8]>) {
    if let Some(folder) = path.parent() {
        let _ = fs::create_dir_all(folder);
    }
    let _ = fs::write(path, content);
}
