//! What an entry of a table is made of: what to do with which message, in one line each.

use std::process::Output;

use kdn_protocol::ErrorKind;
use serde_json::{Value, json};

use super::{
    json::{entries, forget, kind, list, object, set, set_kind, text},
    lines::Line,
    wire::{Request, Wire},
};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Pass,
    Drop,
}

impl Flow {
    pub(super) const fn drop_if(condition: bool) -> Self {
        if condition { Self::Drop } else { Self::Pass }
    }
}

/// The methods that a hook is for.
#[derive(Debug, Clone)]
pub(super) enum Methods {
    /// All requests, and answers to what is no request.
    Any,
    Some(Vec<&'static str>),
}

pub(super) const ANY: Methods = Methods::Any;
/// The methods that change an instance.
pub(super) const CHANGES: [&str; 4] = ["create", "start", "stop", "remove"];
/// The methods whose result is an instance.
pub(super) const INSTANCE: [&str; 4] = ["create", "start", "stop", "info"];
/// Stands for the method of an answer whose id is null, or that of no request.
pub(super) const NO_REQUEST: &str = "";

impl Methods {
    pub(super) fn has(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Some(methods) => methods.contains(&method),
        }
    }
}

impl From<&'static str> for Methods {
    fn from(method: &'static str) -> Self {
        Self::Some(vec![method])
    }
}

impl<const N: usize> From<[&'static str; N]> for Methods {
    fn from(methods: [&'static str; N]) -> Self {
        Self::Some(methods.to_vec())
    }
}

type Then<T> = Box<dyn FnMut(&mut T, &mut Wire) -> Flow>;
pub(super) type Moment<T> = Box<dyn FnMut(&mut Wire) -> T>;
type ByHand = Box<dyn FnMut(&mut Output)>;
type Exit = Box<dyn FnMut(&mut u8, &mut Wire)>;
type Answer = Box<dyn FnMut(&mut Value, &Request, &mut Wire) -> Flow>;

/// All that a defect does.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) by_hand: Option<ByHand>,
    /// Whether it serves though no host has started it.
    pub(super) serves_anyone: bool,
    pub(super) start: Vec<Moment<()>>,
    pub(super) lines: Vec<Then<Line>>,
    pub(super) requests: Vec<(Methods, Then<Value>)>,
    pub(super) answers: Vec<(Methods, Answer)>,
    pub(super) notifications: Vec<(Methods, Then<Value>)>,
    pub(super) end: Vec<Moment<Flow>>,
    pub(super) term: Vec<Moment<Flow>>,
    pub(super) unheard: Vec<Moment<Flow>>,
    pub(super) exit: Vec<Exit>,
}

/// Moments of a process.
impl Hooks {
    /// Changes what `--version`, `--help` and a start without a host print and exit with.
    pub(super) fn by_hand(&mut self, change: impl FnMut(&mut Output) + 'static) {
        self.by_hand = Some(Box::new(change));
    }

    /// Before anything is read.
    pub(super) fn on_start(&mut self, then: impl FnMut(&mut Wire) + 'static) {
        self.start.push(Box::new(then));
    }

    /// The host closed the driver's stdin. `Drop`: the driver is not told.
    pub(super) fn on_end(&mut self, then: impl FnMut(&mut Wire) -> Flow + 'static) {
        self.end.push(Box::new(then));
    }

    /// SIGTERM came. `Drop`: the driver does not get it.
    pub(super) fn on_term(&mut self, then: impl FnMut(&mut Wire) -> Flow + 'static) {
        self.term.push(Box::new(then));
    }

    /// The host closed the driver's stdout. `Drop`: nothing is done about it.
    pub(super) fn on_unheard(&mut self, then: impl FnMut(&mut Wire) -> Flow + 'static) {
        self.unheard.push(Box::new(then));
    }

    /// The driver exited with this status, which can be changed.
    pub(super) fn on_exit(&mut self, then: impl FnMut(&mut u8, &mut Wire) + 'static) {
        self.exit.push(Box::new(then));
    }
}

/// Lines, before they are read.
impl Hooks {
    /// A line from the host, whatever is on it.
    pub(super) fn on_line(&mut self, then: impl FnMut(&mut Line, &mut Wire) -> Flow + 'static) {
        self.lines.push(Box::new(then));
    }

    /// A line from the host that is JSON.
    pub(super) fn on_json(&mut self, mut then: impl FnMut(&mut Value, &mut Wire) -> Flow + 'static) {
        self.on_line(move |line, wire| {
            let Ok(mut value) = serde_json::from_slice::<Value>(line.text()) else { return Flow::Pass };
            let before = value.clone();
            let flow = then(&mut value, wire);
            if value != before {
                line.bytes = format!("{value}\n").into_bytes();
            }
            flow
        });
    }
}

/// Messages from the host.
impl Hooks {
    /// A request or notification from the host.
    pub(super) fn on_request(
        &mut self,
        methods: impl Into<Methods>,
        then: impl FnMut(&mut Value, &mut Wire) -> Flow + 'static,
    ) {
        self.requests.push((methods.into(), Box::new(then)));
    }

    /// The params of a request, if they are an object.
    pub(super) fn on_params(
        &mut self,
        methods: impl Into<Methods>,
        mut then: impl FnMut(&mut Value, &mut Wire) + 'static,
    ) {
        self.on_request(methods, move |frame, wire| {
            if let Some(params) = frame.get_mut("params").filter(|params| params.is_object()) {
                then(params, wire);
            }
            Flow::Pass
        });
    }

    /// Answers some requests with an error in place of the driver: those for which `wrong` gives a message.
    pub(super) fn refuse(
        &mut self,
        methods: impl Into<Methods>,
        with: ErrorKind,
        mut wrong: impl FnMut(&Value, &Wire) -> Option<&'static str> + 'static,
    ) {
        self.on_request(methods, move |frame, wire| {
            let Some(message) = wrong(&frame["params"], wire).filter(|_| frame["id"].is_u64()) else {
                return Flow::Pass;
            };
            wire.refuse(&frame["id"], with, message);
            Flow::Drop
        });
    }

    /// Runs commands inside behind a shell script, which finds the command in `"$@"`.
    pub(super) fn inside(&mut self, script: &'static str) {
        self.prefix(move |_, _| ["/bin/sh", "-c", script, "sh"].map(String::from).to_vec());
    }

    /// Puts words before the command of a plan; none if `words` returns none.
    pub(super) fn prefix(&mut self, mut words: impl FnMut(&Value, &mut Wire) -> Vec<String> + 'static) {
        self.on_params("terminal", move |params, wire| {
            let words = words(params, wire);
            if let Some(command) = list(params, "command").filter(|command| !command.is_empty()) {
                command.splice(..0, words.into_iter().map(Value::from));
            }
        });
    }
}

/// Messages from the driver.
impl Hooks {
    /// A notification of the driver.
    pub(super) fn on_notification(
        &mut self,
        methods: impl Into<Methods>,
        then: impl FnMut(&mut Value, &mut Wire) -> Flow + 'static,
    ) {
        self.notifications.push((methods.into(), Box::new(then)));
    }

    /// The params of a step.
    pub(super) fn on_step(&mut self, mut then: impl FnMut(&mut Value) + 'static) {
        self.on_notification("$/step", move |frame, _| {
            frame.get_mut("params").into_iter().for_each(&mut then);
            Flow::Pass
        });
    }

    /// A response.
    pub(super) fn on_answer(
        &mut self,
        methods: impl Into<Methods>,
        then: impl FnMut(&mut Value, &Request, &mut Wire) -> Flow + 'static,
    ) {
        self.answers.push((methods.into(), Box::new(then)));
    }

    /// The result of a request that succeeded.
    pub(super) fn on_result(
        &mut self,
        methods: impl Into<Methods>,
        mut then: impl FnMut(&mut Value, &Request, &mut Wire) + 'static,
    ) {
        self.on_answer(methods, move |frame, request, wire| {
            if let Some(result) = frame.get_mut("result") {
                then(result, request, wire);
            }
            Flow::Pass
        });
    }

    /// The error of a request that failed.
    pub(super) fn on_error(
        &mut self,
        methods: impl Into<Methods>,
        mut then: impl FnMut(&mut Value, &Request, &mut Wire) + 'static,
    ) {
        self.on_answer(methods, move |frame, request, wire| {
            if let Some(error) = frame.get_mut("error") {
                then(error, request, wire);
            }
            Flow::Pass
        });
    }

    /// An instance in any result.
    pub(super) fn on_instance(&mut self, mut then: impl FnMut(&mut Value, &mut Wire) + 'static) {
        self.on_result(["create", "start", "stop", "info", "list"], move |result, request, wire| {
            if request.method == "list" {
                entries(result, "instances").for_each(|instance| then(instance, wire));
            } else {
                then(result, wire);
            }
        });
    }

    /// The manifest in the results of `type` and `initialize`.
    pub(super) fn on_manifest(&mut self, mut then: impl FnMut(&mut Value) + 'static) {
        self.on_result(["type", "initialize"], move |result, request, _| {
            if request.method == "type" {
                then(result);
            } else if let Some(manifest) = result.get_mut("manifest") {
                then(manifest);
            }
        });
    }

    /// Takes a capability out of both manifests.
    pub(super) fn undeclare(&mut self, capability: &'static str) {
        self.on_manifest(move |manifest| drop(forget(&mut manifest["capabilities"], capability)));
    }

    /// Answers with one kind of error in place of another.
    pub(super) fn mistake(&mut self, methods: impl Into<Methods>, from: ErrorKind, to: ErrorKind) {
        self.on_error(methods, move |error, _, _| {
            if kind(error) == from.as_str() {
                set_kind(error, to);
            }
        });
    }

    /// Names another field, or none, in errors about those that begin with `field`.
    pub(super) fn blame(
        &mut self,
        methods: impl Into<Methods>,
        field: &'static str,
        other: Option<&'static str>,
    ) {
        self.on_error(methods, move |error, _, _| {
            if let Some(data) = object(error, "data")
                && data.get("fieldPath").and_then(Value::as_str).is_some_and(|path| path.starts_with(field))
            {
                match other {
                    Some(other) => drop(data.insert("fieldPath".into(), other.into())),
                    None => drop(data.remove("fieldPath")),
                }
            }
        });
    }

    /// Has the driver try again what it refused, with params that `mend` has changed and returned true for.
    ///
    /// The host gets the answer to that, with what is left of `mend`'s doing.
    pub(super) fn forgive(
        &mut self,
        methods: impl Into<Methods>,
        mut mend: impl FnMut(&mut Value, &Value) -> bool + 'static,
    ) {
        self.on_answer(methods, move |frame, request, wire| {
            let mut params = request.params.clone();
            let is_mended = frame.get("error").is_some_and(|error| mend(&mut params, error));
            if is_mended {
                let id = request.id.clone();
                wire.ask(&request.method, &params, move |wire, mut response| {
                    set(&mut response, "id", id);
                    wire.tell(&response);
                });
            }
            Flow::drop_if(is_mended)
        });
    }
}

/// Plans.
impl Hooks {
    /// The plan of a terminal. Its program is always there.
    pub(super) fn on_plan(&mut self, mut then: impl FnMut(&mut Value, &Request, &mut Wire) + 'static) {
        self.on_result("terminal", move |plan, request, wire| then(plan, request, wire));
    }

    /// Runs plans behind a shell script, which finds the program and its arguments in `"$@"`.
    pub(super) fn around_plan(&mut self, script: &'static str) {
        self.on_plan(move |plan, _, _| wrap(plan, script));
    }
}

/// Puts a shell script around a plan.
pub(super) fn wrap(plan: &mut Value, script: &str) {
    let mut args = vec![json!("-c"), json!(script), json!("sh"), json!(text(plan, "program"))];
    args.extend(list(plan, "args").into_iter().flat_map(std::mem::take));
    set(plan, "args", args);
    set(plan, "program", "/bin/sh");
}
