//! Progress of a running request, told to the host.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, Log, Step, StepEvent, Stream, method};

use super::wire::Wire;

/// Tells the host which steps a request takes.
///
/// When the handler returns, a step that is still open is completed, or failed if the handler failed. After that,
/// nothing is sent any more.
#[derive(Debug)]
pub struct StepReporter {
    wire: Arc<Wire>,
    /// Absent for a request whose id can't be named in a notification.
    request_id: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    Ended,
}

/// How far the open step is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// How much is done, in `unit`.
    pub current: Option<u64>,
    /// How much there is to do, in `unit`.
    pub total: Option<u64>,
    /// What is counted, such as `bytes`. `None`: steps.
    pub unit: Option<String>,
    /// What is being done right now.
    pub message: Option<String>,
}

impl StepReporter {
    pub(super) const fn new(wire: Arc<Wire>, request_id: Option<u64>) -> Self {
        Self { wire, request_id, state: Mutex::new(State::Idle) }
    }

    /// A step begins; the one before it is complete. The first text is shown while it runs, the second when it is
    /// done: `Building image`, `Image built`.
    pub fn start(&self, in_progress: impl Into<String>, completed: impl Into<String>) {
        self.send(StepEvent::Start, &[State::Idle, State::Open], State::Open, |step| {
            step.in_progress = Some(in_progress.into());
            step.completed = Some(completed.into());
        });
    }

    /// The open step goes on.
    pub fn update(&self, progress: Progress) {
        self.send(StepEvent::Update, &[State::Open], State::Open, |step| {
            step.current = progress.current;
            step.total = progress.total;
            step.unit = progress.unit;
            step.message = progress.message;
        });
    }

    /// The open step is complete.
    pub fn complete(&self) {
        self.send(StepEvent::Complete, &[State::Open], State::Idle, |_| ());
    }

    /// The open step failed.
    pub fn fail(&self, error: impl Into<String>) {
        self.send(StepEvent::Fail, &[State::Open], State::Idle, |step| step.error = Some(error.into()));
    }

    /// What a backend command printed, while the request runs.
    pub(super) fn log(&self, stream: Stream, text: String) {
        let state = self.lock();
        if *state != State::Ended && self.request_id.is_some() {
            self.wire.notify(method::LOG, Log::new(self.request_id, stream, text));
        }
    }

    /// The handler has returned.
    pub(super) fn end<T>(&self, outcome: &Result<T, Error>) {
        match outcome {
            Ok(_) => self.complete(),
            Err(error) => self.fail(&error.message),
        }
        *self.lock() = State::Ended;
    }

    /// Sends under the lock, so that events from several threads keep their order and none follows `end`.
    fn send(&self, event: StepEvent, from: &[State], to: State, fill: impl FnOnce(&mut Step)) {
        let mut state = self.lock();
        if !from.contains(&state) {
            return;
        }
        *state = to;
        let Some(request_id) = self.request_id else { return };
        let mut step = Step::new(request_id, event);
        fill(&mut step);
        self.wire.notify(method::STEP, step);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
