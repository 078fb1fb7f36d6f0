//! Looks at each message of every check, both ways, for what no driver may ever send.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use crate::{processes::Process, schema::Schemas};

/// Something that a driver sent and should not have; judged by the check of that id at the end of the run.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// The id of the check that judges it.
    pub(crate) check: &'static str,
    pub(crate) text: String,
}

/// What was found wrong in the whole run: by the check that judges it, with the check in which it was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings(Arc<Mutex<BTreeMap<&'static str, Vec<Found>>>>);

/// In which check something was found, and what.
type Found = (String, String);

impl Findings {
    pub(crate) fn add(&self, seen_in: &str, violation: Violation) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(violation.check).or_default().push((seen_in.to_owned(), violation.text));
    }

    /// What the check of this id has to report; `None`: nothing.
    pub(crate) fn of(&self, check: &str) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = all.get(check)?.clone();
        found.sort();
        let (seen_in, text) = found.first()?;
        let more = if found.len() > 1 { format!(", and {} more", found.len() - 1) } else { String::new() };
        Some(format!("{text} (seen in {seen_in}{more})"))
    }
}

/// Watches the session of one driver process.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    seen_in: &'static str,
    schemas: Schemas,
    findings: Findings,
    /// Whether any session of this check was asked to `create`.
    has_created: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// What was written since the last newline.
    unsent: Vec<u8>,
    /// The requests that were sent and not answered, by the text of their id.
    running: HashMap<String, Running>,
    /// Ids that were answered.
    answered: BTreeSet<String>,
    /// How many frames were sent that may rightly be answered with the id `null`.
    nulls_due: usize,
    sent_anything: bool,
    frame_limit: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            unsent: Vec::new(),
            running: HashMap::new(),
            answered: BTreeSet::new(),
            nulls_due: 0,
            sent_anything: false,
            frame_limit: kdn_protocol::frame::MAX_FRAME_BYTES,
        }
    }
}

#[derive(Debug)]
struct Running {
    method: String,
    step_open: bool,
    cancelled: bool,
}

impl Watch {
    pub(crate) fn new(seen_in: &'static str, schemas: Schemas, findings: Findings) -> Self {
        Self { seen_in, schemas, findings, has_created: Arc::default(), state: Arc::default() }
    }

    /// The same for another process of the driver.
    pub(crate) fn fresh(&self) -> Self {
        Self { state: Arc::default(), ..self.clone() }
    }

    fn report(&self, check: &'static str, text: String) {
        self.findings.add(self.seen_in, Violation { check, text });
    }

    /// Takes note of what was written to the driver, in any pieces.
    pub(crate) fn sent(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.unsent.extend_from_slice(bytes);
        let Some(end) = state.unsent.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = state.unsent.split_off(end + 1);
        let lines = std::mem::replace(&mut state.unsent, rest);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let frame: Value = serde_json::from_slice(line).unwrap_or_default();
            self.has_created.fetch_or(frame["method"] == "create", Ordering::Relaxed);
            state.take_sent(&frame);
            if line.len() > kdn_protocol::frame::MAX_FRAME_BYTES {
                // It may be answered with the id null.
                state.nulls_due += 1;
            }
        }
    }

    /// Whether there may be instances to clean up.
    pub(crate) fn has_created(&self) -> bool {
        self.has_created.load(Ordering::Relaxed)
    }

    /// Processes that were left when all instances were removed.
    pub(crate) fn orphans(&self, left: &[Process]) {
        let left = left.iter().map(|process| format!("{} ({})", process.command, process.id));
        let left = left.collect::<Vec<_>>().join(", ");
        self.report("robustness/no-orphans", format!("left behind: {left}"));
    }

    /// Why the params of a request do not fit their schema.
    pub(crate) fn misfit(&self, method: &str, params: &Value) -> Option<String> {
        self.schemas.misfit(&format!("{method}.params"), params)
    }

    /// Judges a line from the driver; returns the message, if it is one.
    pub(crate) fn received(&self, line: &[u8]) -> Option<Value> {
        let mut state = self.state();
        if !state.sent_anything {
            self.report("core/silent-start", format!("came before the first request: {}", shown(line)));
        }
        let value = serde_json::from_slice::<Value>(line).ok().filter(|value| value["jsonrpc"] == "2.0");
        let has = |name: &str| value.as_ref().is_some_and(|value| value.get(name).is_some());
        let [method, id, answer] = [has("method"), has("id"), has("result") || has("error")];
        let Some(value) = value.filter(|_| method || (id && answer)) else {
            self.report("core/clean-stdout", format!("not a message: {}", shown(line)));
            return None;
        };
        if method && id {
            self.report("core/no-requests", format!("a request: {}", shown(line)));
        } else if method {
            self.notification(&mut state, &value);
        } else {
            if line.len() > state.frame_limit {
                let text =
                    format!("a frame of {} bytes, where {} were allowed", line.len(), state.frame_limit);
                self.report("core/frame-limit", text);
            }
            self.response(&mut state, &value);
        }
        Some(value)
    }

    /// A last line without its end.
    pub(crate) fn torn(&self, rest: &[u8]) {
        self.report("core/whole-lines", format!("stdout ended in the middle of a line: {}", shown(rest)));
    }

    fn response(&self, state: &mut State, message: &Value) {
        let id = &message["id"];
        if id.is_null() && state.nulls_due > 0 {
            state.nulls_due -= 1;
            self.fault(&message["error"], false);
            return;
        }
        let key = id.to_string();
        let Some(request) = state.running.remove(&key) else {
            let what = if state.answered.contains(&key) { "a second response" } else { "a response" };
            self.report("core/one-response", format!("{what} with the id {key}, which is not due"));
            return;
        };
        state.answered.insert(key);
        let method = request.method.as_str();
        if message.get("result").is_some() == message.get("error").is_some() {
            let text = format!("not exactly one of result and error in the response to {method}: {message}");
            self.report("core/result-or-error", text);
        }
        if request.step_open {
            self.report("steps/closed", format!("{method} was answered while a step was open"));
        }
        if let Some(error) = message.get("error") {
            self.fault(error, request.cancelled);
        } else if let Some(result) = message.get("result") {
            self.result(method, result);
        }
    }

    fn result(&self, method: &str, result: &Value) {
        if let Some(misfit) = self.schemas.misfit(&format!("{method}.result"), result) {
            self.report(
                "core/result-schema",
                format!("the result of {method} does not fit its schema: {misfit}"),
            );
        }
        let nulls = if method == "terminal" { without(result, "env") } else { result.clone() };
        if let Some(path) = null_in(&nulls) {
            self.report("core/no-nulls", format!("the result of {method} has null at {path}"));
        }
        let instances = match method {
            "create" | "start" | "stop" | "info" => std::slice::from_ref(result),
            "list" => result["instances"].as_array().map_or(&[][..], Vec::as_slice),
            _ => &[],
        };
        for instance in instances {
            self.instance(method, instance);
        }
    }

    fn instance(&self, method: &str, instance: &Value) {
        let state = instance["state"].as_str().unwrap_or_default();
        if !["running", "stopped", "error", "unknown"].contains(&state) {
            self.report("lifecycle/states", format!("{method} told the state {state:?}"));
        }
        let id = instance["id"].as_str().unwrap_or_default();
        if !kdn_protocol::Instance::is_valid_id(id) {
            self.report("lifecycle/id-form", format!("{method} told the id {id:?}"));
        }
        let reason = instance["reason"].as_str().unwrap_or_default();
        if matches!(state, "error" | "unknown") && reason.is_empty() {
            self.report(
                "lifecycle/state-reason",
                format!("{method} told the state {state:?} without a reason"),
            );
        }
    }

    fn fault(&self, error: &Value, was_cancelled: bool) {
        if let Some(misfit) = self.schemas.misfit("error", error) {
            self.report("core/error-schema", format!("an error does not fit its schema: {misfit}: {error}"));
        }
        if let Some(path) = null_in(error) {
            self.report("core/no-nulls", format!("an error has null at {path}: {error}"));
        }
        let code = error["code"].as_i64();
        let data = &error["data"];
        let kind = data["kind"].as_str();
        if code.is_none() || error["message"].as_str().is_none_or(str::is_empty) {
            self.report("core/error-form", format!("an error without a code or a message: {error}"));
        }
        let code = code.unwrap_or_default();
        let due = known_kind(code);
        match due {
            Some(due) if (1001..=1012).contains(&code) && kind != Some(due) => {
                self.report(
                    "core/error-kinds",
                    format!("code {code} came with the kind {kind:?}, not {due:?}"),
                );
            }
            Some(due) if !(1001..=1012).contains(&code) && kind != Some(due) => {
                let text = format!("code {code} came with the kind {kind:?}, not {due:?}");
                self.report("core/error-kinds-told", text);
            }
            None if !(2000..=2999).contains(&code)
                || !kind.is_some_and(|kind| kind.starts_with("x-") && kind.contains('/')) =>
            {
                self.report(
                    "core/error-codes",
                    format!("code {code} with the kind {kind:?} is not in the table"),
                );
            }
            _ => {}
        }
        if code == 1012 && !was_cancelled {
            self.report(
                "cancellation/never-uninvited",
                "cancelled was answered to a request that nobody cancelled".into(),
            );
        }
        if code == 1009 && data["command"]["argv"].as_array().is_none_or(Vec::is_empty) {
            self.report("core/failed-command", format!("backend_failed came without the command: {error}"));
        }
        if let Some(tail) = data["command"]["stderrTail"].as_str()
            && tail.len() > 8192
        {
            self.report("core/stderr-tail", format!("stderrTail has {} bytes", tail.len()));
        }
        if code == 1003 && data["hints"].as_array().is_none_or(Vec::is_empty) {
            self.report("core/unavailable-hint", format!("unavailable came without a hint: {error}"));
        }
        if let Some(path) = data["fieldPath"].as_str()
            && !is_field_path(path)
        {
            self.report("core/field-path", format!("{path:?} is not the path of a field"));
        }
    }

    fn notification(&self, state: &mut State, message: &Value) {
        let (method, params) = (message["method"].as_str().unwrap_or_default(), &message["params"]);
        let (schema, check) = match method {
            "$/step" => ("step.params", "steps/schema"),
            "$/log" => ("log.params", "steps/log-schema"),
            _ => return,
        };
        if let Some(misfit) = self.schemas.misfit(schema, params) {
            self.report(check, format!("a {method} does not fit its schema: {misfit}: {params}"));
        }
        if let Some(path) = null_in(params) {
            self.report("core/no-nulls", format!("a {method} has null at {path}: {params}"));
        }
        let id = &params["requestId"];
        let request = state.running.get_mut(&id.to_string()).filter(|_| id.is_u64());
        if method == "$/log" {
            if request.is_none() && !id.is_null() {
                self.report("steps/log-request", format!("a log for request {id}, which is not running"));
            }
            if !matches!(params["stream"].as_str(), None | Some("stdout" | "stderr")) {
                self.report("steps/log-stream", format!("a log of the stream {}", params["stream"]));
            }
            return;
        }
        let event = params["event"].as_str().unwrap_or_default();
        let Some(request) = request else {
            let (check, what) = if state.answered.contains(&id.to_string()) {
                ("steps/none-after", "which is answered")
            } else {
                ("steps/running", "which is not running")
            };
            self.report(check, format!("a step for request {id}, {what}"));
            return;
        };
        let text = |name: &str| params[name].as_str().unwrap_or_default();
        if event == "start" && text("inProgress").is_empty() {
            self.report("steps/says-what", format!("a step that does not say what is being done: {params}"));
        }
        if event == "fail" && text("error").is_empty() {
            self.report("steps/says-why", format!("a failed step that does not say why: {params}"));
        }
        if event != "start" && !request.step_open {
            self.report("steps/open-first", format!("{event} while no step was open: {params}"));
        }
        if let (Some(current), Some(total)) = (params["current"].as_u64(), params["total"].as_u64())
            && current > total
        {
            self.report("steps/current-within-total", format!("{current} of {total} are done: {params}"));
        }
        request.step_open = matches!(event, "start" | "update");
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_sent(&mut self, frame: &Value) {
        self.sent_anything = true;
        let id = &frame["id"];
        let is_request = frame["jsonrpc"] == "2.0" && frame["method"].is_string();
        if !frame.is_object() || !(id.is_u64() || id.is_string()) {
            // It may be answered with the id null: if it is wrong as a whole, or if its id is.
            if !frame.is_object() || frame.get("id").is_some() || !is_request {
                self.nulls_due += 1;
            }
            if frame["method"] == "$/cancelRequest"
                && let Some(request) = self.running.get_mut(&frame["params"]["id"].to_string())
            {
                request.cancelled = true;
            }
            return;
        }
        let method = frame["method"].as_str().unwrap_or_default().to_owned();
        if method == "initialize"
            && let Some(limit) = frame["params"]["limits"]["maxFrameBytes"].as_u64()
        {
            self.frame_limit = usize::try_from(limit).unwrap_or(usize::MAX);
        }
        self.running.insert(id.to_string(), Running { method, step_open: false, cancelled: false });
    }

    fn cancel_all(&mut self) {
        self.running.values_mut().for_each(|request| request.cancelled = true);
    }
}

impl Watch {
    /// Stdin was closed or a signal sent: what runs may be cancelled, and a last line without its end be answered.
    pub(crate) fn ended(&self) {
        let mut state = self.state();
        let rest = std::mem::take(&mut state.unsent);
        if !rest.trim_ascii().is_empty() {
            let frame: Value = serde_json::from_slice(&rest).unwrap_or_default();
            self.has_created.fetch_or(frame["method"] == "create", Ordering::Relaxed);
            state.take_sent(&frame);
            state.nulls_due += 1;
        }
        state.cancel_all();
    }
}

fn known_kind(code: i64) -> Option<&'static str> {
    let code = i32::try_from(code).ok()?;
    kdn_protocol::ErrorKind::ALL.iter().find(|kind| kind.code() == code).map(|kind| kind.as_str())
}

fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(300)]);
    format!("{text:?}{}", if line.len() > 300 { "..." } else { "" })
}

fn without(value: &Value, member: &str) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove(member);
    }
    value
}

/// Where a value holds null, `_meta` left out.
fn null_in(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(".".into()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(i, item)| null_in(item).map(|rest| format!("[{i}]{rest}")))
        }
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != "_meta")
            .find_map(|(name, member)| null_in(member).map(|rest| format!("{name} {rest}"))),
        _ => None,
    }
}

/// Names and map keys joined by dots, with indices in brackets.
fn is_field_path(path: &str) -> bool {
    // Keys of these maps hold any characters.
    if ["options.", "secretValues."].iter().any(|map| path.starts_with(map)) {
        return true;
    }
    let first = path.split(['.', '[']).next().unwrap_or_default();
    let mut depth = 0;
    let balanced = path.chars().all(|character| {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        (0..=1).contains(&depth)
    });
    let indices_are_numbers = path.split('[').skip(1).all(|part| {
        part.split_once(']')
            .is_some_and(|(index, _)| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()))
    });
    let is_name = first.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    !first.is_empty() && is_name && balanced && depth == 0 && indices_are_numbers && !path.starts_with('/')
}
