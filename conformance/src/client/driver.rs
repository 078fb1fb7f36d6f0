//! A driver process under test, and what a check does with it.

use std::{
    collections::{HashSet, VecDeque},
    process::{Child, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    launch::Launch,
    message::{Event, Fault, Reply},
    pipes::{self, Collected, Output},
};
use crate::{
    programs,
    stop::{Stop, ensure, fail},
    wait::{Left, until},
};

/// How often a wait looks whether the user gave up.
const TICK: Duration = Duration::from_millis(50);
/// How often a wait looks whether the process is still there.
const LOOK: Duration = Duration::from_millis(1);
/// The longest that a driver may take to exit, by the protocol.
pub(crate) const EXIT: Duration = Duration::from_secs(5);

/// How long the end of stdout may take to arrive once the driver has exited.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How much of stdout is kept as it came, in bytes.
const HEARD: usize = 1024 * 1024;

/// A running driver. It is killed with its process group when it is dropped.
#[derive(Debug)]
pub(crate) struct Driver {
    launch: Launch,
    child: Child,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    stdout: mpsc::Receiver<Output>,
    stderr: Collected,
    next_id: u64,
    /// The ids of the requests that are changes.
    changes: HashSet<u64>,
    /// Messages that came and nobody has asked for, the oldest first.
    inbox: VecDeque<Value>,
    /// All of stdout, as far as it is not very much.
    heard: Vec<u8>,
    /// Lines that are no messages.
    strays: Vec<String>,
    ended: bool,
    status: Option<ExitStatus>,
}

impl Driver {
    pub(crate) fn start(launch: &Launch) -> Result<Self, Stop> {
        let mut command = launch.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = programs::start(|| command.spawn());
        let mut child = started.map_err(|error| {
            Stop::Failed(format!("{} can't be started: {error}", launch.program.display()))
        })?;
        launch.transcript.note(&format!("driver started, process {}", child.id()));
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Stop::Broken("a pipe to the driver is missing".into()));
        };
        Ok(Self {
            launch: Launch { watch: launch.watch.fresh(), ..launch.clone() },
            child,
            stdin: Some(pipes::write(stdin)),
            stdout: pipes::read_lines(stdout),
            stderr: Collected::from(stderr),
            next_id: 0,
            changes: HashSet::new(),
            inbox: VecDeque::new(),
            heard: Vec::new(),
            strays: Vec::new(),
            ended: false,
            status: None,
        })
    }

    /// The id of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    // Writing

    /// Writes bytes as they are, in one piece.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.launch.transcript.add("->", bytes);
        self.launch.watch.sent(bytes);
        if let Some(stdin) = &self.stdin {
            let _ = stdin.send(bytes.to_vec());
        }
    }

    /// Writes a value as a frame.
    pub(crate) fn send(&mut self, frame: &Value) {
        self.raw(format!("{frame}\n").as_bytes());
    }

    /// An id that no request of this driver had.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends a request and does not wait; returns its id.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.new_id();
        if matches!(method, "create" | "start" | "stop" | "remove") {
            self.changes.insert(id);
        }
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    pub(crate) fn cancel(&mut self, id: u64) {
        self.notify("$/cancelRequest", &json!({"id": id}));
    }

    pub(crate) fn close_stdin(&mut self) {
        self.launch.transcript.note("stdin closed");
        self.launch.watch.ended();
        self.stdin = None;
    }

    // Reading

    /// The next message, of any kind; `None` when there is none within that time, or no more at all.
    pub(crate) fn message(&mut self, within: Duration) -> Result<Option<Value>, Stop> {
        if let Some(message) = self.inbox.pop_front() {
            return Ok(Some(message));
        }
        self.receive(within)
    }

    /// Reads for some time, and keeps what comes.
    pub(crate) fn listen(&mut self, time: Duration) -> Result<(), Stop> {
        let deadline = Instant::now() + time;
        while let Some(message) = self.receive(deadline.saturating_duration_since(Instant::now()))? {
            self.inbox.push_back(message);
        }
        Ok(())
    }

    fn receive(&mut self, within: Duration) -> Result<Option<Value>, Stop> {
        let mut left = Left::new(within);
        while !self.ended {
            let is_last = left.is_over();
            match left.pause(TICK, |time| self.stdout.recv_timeout(time)) {
                Ok(Output::Line(line)) => {
                    self.launch.transcript.add("<-", &line);
                    if self.heard.len() < HEARD {
                        self.heard.extend_from_slice(&line);
                    }
                    match self.launch.watch.received(&line) {
                        Some(message) => return Ok(Some(message)),
                        None => self.strays.push(String::from_utf8_lossy(&line).into_owned()),
                    }
                }
                Ok(Output::End(rest)) => {
                    self.ended = true;
                    self.launch.transcript.add("<- (end of stdout)", &rest);
                    if !rest.is_empty() {
                        self.launch.watch.torn(&rest);
                        self.strays.push(String::from_utf8_lossy(&rest).into_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) if is_last => break,
                Err(RecvTimeoutError::Timeout) => self.launch.check_interrupt()?,
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
            }
        }
        Ok(None)
    }

    /// Waits for the response with this id, whatever comes before it; the rest is kept for later.
    pub(crate) fn response(&mut self, id: &Value, within: Duration) -> Result<Value, Stop> {
        if let Some(at) = self.inbox.iter().position(|message| is_response(message, id)) {
            return Ok(self.inbox.remove(at).unwrap_or_default());
        }
        let mut deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receive(left)? {
                Some(message) if is_response(&message, id) => return Ok(message),
                Some(message) => {
                    if message["params"]["requestId"] == *id {
                        deadline = Instant::now() + within;
                    }
                    self.inbox.push_back(message);
                }
                None if self.ended => {
                    let status = self.exit(EXIT)?;
                    fail!("the driver ended ({status}) before it answered request {id}{}", self.last_words());
                }
                None => fail!("no answer to request {id} within {} s", within.as_secs_f64()),
            }
        }
    }

    /// Waits for the answer to a request, as long as its method may take.
    pub(crate) fn answer(&mut self, id: u64) -> Result<Reply, Stop> {
        let Launch { patience, long_patience, .. } = self.launch;
        self.answer_within(id, if self.changes.contains(&id) { long_patience } else { patience })
    }

    /// Waits for the answer to a request, within a limit that grows with the patience.
    pub(crate) fn answer_in_time(&mut self, id: u64, limit: Duration) -> Result<Reply, Stop> {
        self.answer_within(id, self.launch.limit(limit))
    }

    pub(crate) fn answer_within(&mut self, id: u64, within: Duration) -> Result<Reply, Stop> {
        let response = self.response(&json!(id), within)?;
        Ok(match response.get("error") {
            Some(error) => Err(Fault::read(error)),
            None => Ok(response["result"].clone()),
        })
    }

    /// Calls a method and waits for the answer.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Reply, Stop> {
        let id = self.request(method, params);
        self.answer(id)
    }

    /// Calls a method that has to succeed, with params that are right.
    pub(crate) fn ok(&mut self, method: &str, params: &Value) -> Result<Value, Stop> {
        if let Some(misfit) = self.launch.watch.misfit(method, params) {
            return Err(Stop::Broken(format!("the suite's own params of {method} do not fit: {misfit}")));
        }
        self.call(method, params)?.map_err(|fault| Stop::Failed(format!("{method} answered {fault}")))
    }

    /// Calls a method that has to be refused with an error of this kind.
    pub(crate) fn refused(&mut self, method: &str, params: &Value, kind: &str) -> Result<Fault, Stop> {
        self.refused_with(method, params, &[kind])
    }

    /// Calls a method that has to be refused with an error of one of these kinds.
    pub(crate) fn refused_with(
        &mut self,
        method: &str,
        params: &Value,
        kinds: &[&str],
    ) -> Result<Fault, Stop> {
        let kinds_text = kinds.join(" or ");
        match self.call(method, params)? {
            Ok(_) => fail!("{method} succeeded, where an error of kind {kinds_text} was due: {params}"),
            Err(fault) => {
                ensure!(
                    kinds.contains(&fault.kind.as_str()),
                    "{method} answered {fault}, where kind {kinds_text} was due"
                );
                Ok(fault)
            }
        }
    }

    /// The notifications for a request that came so far, in their order; they are taken out.
    pub(crate) fn events(&mut self, id: u64) -> Vec<Event> {
        let (mine, others) = self.inbox.drain(..).partition(|message| message["params"]["requestId"] == id);
        self.inbox = others;
        let mine: VecDeque<Value> = mine;
        mine.into_iter()
            .map(|message| Event {
                method: message["method"].as_str().unwrap_or_default().into(),
                params: message["params"].clone(),
            })
            .collect()
    }

    /// Waits until a notification for the request satisfies `wanted`; `false` if the answer came first.
    pub(crate) fn wait_for_event(
        &mut self,
        id: u64,
        mut wanted: impl FnMut(&Event) -> bool,
    ) -> Result<bool, Stop> {
        let deadline = Instant::now() + self.launch.long_patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(message) = self.receive(left)? else {
                ensure!(!self.ended, "the driver ended during request {id}{}", self.last_words());
                fail!("neither an answer nor a notification for request {id}");
            };
            let is_answer = is_response(&message, &json!(id));
            let event = Event {
                method: message["method"].as_str().unwrap_or_default().into(),
                params: message["params"].clone(),
            };
            let found = !is_answer && event.params["requestId"] == id && wanted(&event);
            self.inbox.push_back(message);
            if found || is_answer {
                return Ok(found);
            }
        }
    }

    /// The messages that came and nobody has asked for; they are taken out.
    pub(crate) fn unasked(&mut self) -> Vec<Value> {
        self.inbox.drain(..).collect()
    }

    /// All that came on stdout.
    pub(crate) fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// Lines on stdout that were no messages.
    pub(crate) fn strays(&self) -> &[String] {
        &self.strays
    }

    // The end

    pub(crate) fn stderr(&self) -> Vec<u8> {
        self.stderr.bytes()
    }

    fn last_words(&self) -> String {
        let stderr = self.stderr();
        let tail = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(2000)..]).trim().to_owned();
        if tail.is_empty() { String::new() } else { format!("; its stderr: {tail}") }
    }

    /// Waits for the process to exit by itself, within a limit that grows with the patience.
    pub(crate) fn exit(&mut self, limit: Duration) -> Result<ExitStatus, Stop> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let Self { launch, child, .. } = self;
        let within = launch.limit(limit);
        let exited = until(within, LOOK, || match child.try_wait() {
            Ok(None) => launch.check_interrupt().err().map(Err),
            other => other.map_err(Stop::from).transpose(),
        });
        let Some(status) = exited.transpose()? else {
            fail!("the driver did not exit within {} s", within.as_secs_f64());
        };
        self.launch.transcript.note(&format!("driver exited: {status}"));
        self.status = Some(status);
        Ok(status)
    }

    pub(crate) fn has_exited(&mut self) -> Result<bool, Stop> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status.is_some())
    }

    /// Closes this end of the driver's stdout, as soon as the driver writes the next time.
    pub(crate) fn stop_listening(&mut self) {
        self.launch.transcript.note("stdout closed at this end");
        self.launch.watch.ended();
        self.stdout = mpsc::channel().1;
    }

    /// Reads on until stdout ends, within a limit that grows with the patience.
    pub(crate) fn drain(&mut self, limit: Duration) -> Result<(), Stop> {
        let within = self.launch.limit(limit);
        let deadline = Instant::now() + within;
        while let Some(message) = self.receive(deadline.saturating_duration_since(Instant::now()))? {
            self.inbox.push_back(message);
        }
        ensure!(self.ended, "stdout of the driver did not end within {} s", within.as_secs_f64());
        Ok(())
    }

    /// Ends the session as a host does.
    pub(crate) fn shutdown(mut self) -> Result<(), Stop> {
        self.ok("shutdown", &json!({}))?;
        self.close_stdin();
        let status = self.exit(EXIT)?;
        ensure!(status.success(), "the driver exited with {status} after shutdown{}", self.last_words());
        // What it wrote last is looked at too. A child that holds stdout open is the matter of another check.
        let _ = self.drain(LAST_WORDS);
        Ok(())
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        self.launch.transcript.note(&format!("driver gets {signal:?}"));
        self.launch.watch.ended();
        if self.status.is_none()
            && let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Kills the process, as the system does when it is out of memory.
    pub(crate) fn kill(&mut self) -> Result<(), Stop> {
        self.launch.transcript.note("driver killed");
        self.child.kill()?;
        self.status = Some(self.child.wait()?);
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stdin = None;
        if self.status.is_none() {
            #[cfg(unix)]
            if let Some(group) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn is_response(message: &Value, id: &Value) -> bool {
    message.get("method").is_none() && message.get("id") == Some(id)
}
