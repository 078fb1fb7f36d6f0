//! The man in the middle: starts the real driver, carries lines both ways, and shows each to the hooks of the defect.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{ExitCode, ExitStatus},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use kdn_protocol::PROTOCOL_ENV;
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    BEHIND, DEFECT, Defect,
    hooks::{Flow, Hooks, Methods, Moment, NO_REQUEST},
    json::{object, set},
    lines::{self, Line},
    stage::{self, terminations},
    variable,
    wire::{Request, Wire},
};

/// How long the shim may outlive a SIGTERM when nobody reads what it writes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for the rest of a stdout that someone else may hold open.
const DRAIN: Duration = Duration::from_millis(100);

/// What happens to a shim.
pub(super) enum Event {
    FromHost(Line),
    HostEnded,
    FromDriver(Line),
    DriverEnded,
    /// The host does not read any more.
    Unheard,
    Terminated,
    Exited(ExitStatus),
    Due(u64),
}

/// Runs the real driver with a defect.
pub(super) fn run(defect: &Defect) -> ExitCode {
    let mut hooks = Hooks::default();
    (defect.set_up)(&mut hooks);
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let is_known = args.is_empty() || args == ["--version"] || args == ["--help"];
    let is_by_hand = !args.is_empty() || variable(PROTOCOL_ENV).is_none() || io::stdin().is_terminal();
    if is_by_hand && !(args.is_empty() && hooks.serves_anyone) {
        let mut command = stage::real(args.into_iter());
        return match hooks.by_hand.filter(|_| is_known) {
            Some(mut change) => match command.stdin(std::process::Stdio::inherit()).output() {
                Ok(mut output) => {
                    change(&mut output);
                    let _ = io::stdout().write_all(&output.stdout);
                    let _ = io::stderr().write_all(&output.stderr);
                    ExitCode::from(output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
                }
                Err(error) => stage::failed(&error),
            },
            None => stage::failed(&command.exec()),
        };
    }
    serve(hooks).unwrap_or_else(|error| stage::failed(&error))
}

fn serve(hooks: Hooks) -> io::Result<ExitCode> {
    let _ = terminations().thread_block();
    let (events, arrivals) = channel();
    let mut child = stage::start_driver(!hooks.term.is_empty(), |command| {
        if hooks.serves_anyone {
            command.env(PROTOCOL_ENV, "1");
        }
    })?;
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("a pipe is missing"));
    };
    let (to_host, is_written) = lines::write(io::stdout(), Some(events.clone()));
    let (to_driver, _) = lines::write(stdin, None);
    lines::read(stdout, events.clone(), Event::FromDriver, Event::DriverEnded);
    lines::read(io::stdin(), events.clone(), Event::FromHost, Event::HostEnded);
    let (exited, terminated) = (events.clone(), events.clone());
    thread::spawn(move || child.wait().map(|status| exited.send(Event::Exited(status))));
    let is_patient = !hooks.term.is_empty();
    thread::spawn(move || {
        while terminations().wait().is_ok() {
            let _ = terminated.send(Event::Terminated);
            if !is_patient {
                thread::sleep(PATIENCE);
                std::process::exit(128 + Signal::SIGTERM as i32);
            }
        }
    });
    let wire = Wire::new(to_host, to_driver, events);
    let mut shim = Shim { hooks, wire, driver: pid };
    let status = shim.run(&arrivals);
    Ok(shim.exit(status, &is_written))
}

struct Shim {
    hooks: Hooks,
    wire: Wire,
    driver: Pid,
}

impl Shim {
    /// Handles events until the driver has exited. `None`: the shim ends it.
    fn run(&mut self, arrivals: &Receiver<Event>) -> Option<ExitStatus> {
        self.hooks.start.iter_mut().for_each(|then| then(&mut self.wire));
        let mut status = None;
        let mut has_ended = false;
        loop {
            if self.wire.is_dying {
                self.signal(Signal::SIGKILL);
                return None;
            }
            if status.is_some() && has_ended {
                return status;
            }
            let event = match status {
                None => arrivals.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => arrivals.recv_timeout(DRAIN),
            };
            match event {
                Ok(Event::FromHost(line)) => self.hear_host(line),
                Ok(Event::FromDriver(line)) => self.hear_driver(line),
                Ok(Event::HostEnded) => {
                    if moments(&mut self.hooks.end, &mut self.wire) == Flow::Pass {
                        self.wire.end();
                    }
                }
                Ok(Event::Unheard) => {
                    if moments(&mut self.hooks.unheard, &mut self.wire) == Flow::Pass {
                        self.wire.end();
                    }
                }
                Ok(Event::Terminated) => {
                    if moments(&mut self.hooks.term, &mut self.wire) == Flow::Pass {
                        self.signal(Signal::SIGTERM);
                    }
                }
                Ok(Event::Due(token)) => {
                    if let Some(then) = self.wire.take_due(token) {
                        then(&mut self.wire);
                    }
                }
                Ok(Event::DriverEnded) => has_ended = true,
                Ok(Event::Exited(how)) => status = Some(how),
                Err(_) => return status,
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let _ = signal::kill(self.driver, signal);
    }

    fn hear_host(&mut self, mut line: Line) {
        let Self { hooks, wire, .. } = self;
        if hooks.lines.iter_mut().any(|then| then(&mut line, wire) == Flow::Drop) {
            return;
        }
        let Some(peek) = Peek::read(&line.bytes) else { return wire.pass(line.bytes) };
        let Some(method) = peek.method.as_deref() else { return wire.pass(line.bytes) };
        let is_changed = hooks.requests.iter().any(|(methods, _)| methods.has(method));
        let is_asked_for = is_changed || hooks.answers.iter().any(|(methods, _)| methods.has(method));
        if !is_asked_for && method != "initialize" {
            wire.begin(peek.id, method, Value::Null);
            return wire.pass(line.bytes);
        }
        let Ok(mut frame) = serde_json::from_slice::<Value>(&line.bytes) else {
            return wire.pass(line.bytes);
        };
        wire.begin(peek.id, method, frame["params"].clone());
        if !is_changed {
            return wire.pass(line.bytes);
        }
        for (_, then) in hooks.requests.iter_mut().filter(|(methods, _)| methods.has(method)) {
            if then(&mut frame, wire) == Flow::Drop {
                return;
            }
        }
        wire.send(&frame);
    }

    fn hear_driver(&mut self, line: Line) {
        let bytes = self.judged(line);
        if let Some(bytes) = bytes {
            self.wire.print(bytes);
        }
        self.wire.flush();
    }

    /// What becomes of a line of the driver. `None`: it is not passed on.
    fn judged(&mut self, line: Line) -> Option<Vec<u8>> {
        let Self { hooks, wire, .. } = self;
        let Some(peek) = Peek::read(&line.bytes) else { return Some(line.bytes) };
        let parse = || serde_json::from_slice::<Value>(&line.bytes).ok();
        if let Some(method) = peek.method.as_deref() {
            if !hooks.notifications.iter().any(|(methods, _)| methods.has(method)) {
                return Some(line.bytes);
            }
            let mut frame = parse()?;
            let mut hooks = hooks.notifications.iter_mut().filter(|(methods, _)| methods.has(method));
            let is_dropped = hooks.any(|(_, then)| then(&mut frame, wire) == Flow::Drop);
            return (!is_dropped).then(|| format!("{frame}\n").into_bytes());
        }
        let id = peek.id.map_or("null", RawValue::get);
        if id.starts_with("\"defect-")
            && let Some(then) = wire.take_asked(id.trim_matches('"'))
        {
            then(wire, parse()?);
            return None;
        }
        let request = wire.running.remove(id).unwrap_or_default();
        let method = if request.method.is_empty() { NO_REQUEST } else { request.method.as_str() };
        let is_session = matches!(method, "initialize" | "shutdown");
        let is_plan = method == "terminal";
        if !is_session && !is_plan && !hooks.answers.iter().any(|(methods, _)| methods.has(method)) {
            return Some(line.bytes);
        }
        let mut frame = parse()?;
        if let Some(result) = frame.get_mut("result") {
            match method {
                "initialize" => {
                    wire.session = request.params.clone();
                    wire.manifest = result["manifest"].clone();
                }
                "shutdown" => wire.is_shut_down = true,
                "terminal" => complete(result),
                _ => {}
            }
        } else if method == "initialize" && wire.manifest.is_null() {
            wire.session = request.params.clone();
        }
        let mut answers: Vec<&mut (Methods, _)> =
            hooks.answers.iter_mut().filter(|(methods, _)| methods.has(method)).collect();
        if answers.is_empty() && !is_plan {
            return Some(line.bytes);
        }
        let is_dropped = answers.iter_mut().any(|(_, then)| then(&mut frame, &request, wire) == Flow::Drop);
        (!is_dropped).then(|| format!("{frame}\n").into_bytes())
    }

    /// Writes out what is left, and ends as the driver did.
    fn exit(mut self, status: Option<ExitStatus>, is_written: &Receiver<()>) -> ExitCode {
        let code = status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
        let mut code = self.wire.status.or(code);
        if let Some(code) = &mut code {
            self.hooks.exit.iter_mut().for_each(|then| then(code, &mut self.wire));
        }
        drop(self);
        let _ = is_written.recv();
        if let Some(code) = code {
            return ExitCode::from(code);
        }
        let signal = status.and_then(|status| status.signal()).unwrap_or(Signal::SIGKILL as i32);
        if let Ok(signal) = Signal::try_from(signal) {
            let _ = terminations().thread_unblock();
            let _ = signal::raise(signal);
        }
        ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
    }
}

/// Fills in the driver behind, where a plan means the driver's own executable.
fn complete(plan: &mut Value) {
    if plan.get("program").is_none() {
        set(plan, "program", stage::driver().display().to_string());
    }
    if let Some(env) = object(plan, "env") {
        for name in [DEFECT, BEHIND] {
            env.insert(name.into(), Value::Null);
        }
    }
}

fn moments(hooks: &mut [Moment<Flow>], wire: &mut Wire) -> Flow {
    Flow::drop_if(hooks.iter_mut().any(|then| then(wire) == Flow::Drop))
}

/// As much of a message as tells what to do with it.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
}

impl<'a> Peek<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

impl Wire {
    fn begin(&mut self, id: Option<&RawValue>, method: &str, params: Value) {
        let id = id.and_then(|id| serde_json::from_str::<Value>(id.get()).ok());
        if let Some(id) = id {
            let request = Request { id: id.clone(), method: method.to_owned(), params };
            self.running.insert(id.to_string(), request);
        }
    }
}
