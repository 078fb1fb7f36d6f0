//! One call: its events, its deadline, its cancellation, its answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jsonrpsee::core::client::Error as ClientError;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::mpsc;

use crate::{CancelParams, Error, Method, frame::MAX_FRAME_BYTES};

use super::{
    Deadline, HostError, Stopwatch, connection::Connection, group::Signal, inbox::MALFORMED, inflight::QUEUE,
    session::Observer,
};

/// What an envelope adds to its params, at most, in bytes.
const ENVELOPE: usize = 256;
/// How long a cancelled request may take in all while it tells its steps.
const ROLL_BACK_CAP: Duration = Duration::from_secs(30);
/// How long a driver without cancellation may take to roll back once its stdin is closed.
const CLOSED_STDIN: Duration = Duration::from_secs(5);

pub(super) async fn call<M: Method>(
    connection: &Connection,
    params: &M::Params,
    deadline: Deadline,
    observer: Observer<'_>,
) -> Result<M::Result, HostError> {
    let method = M::NAME;
    let driver = || connection.driver.clone();
    connection.redactor.learn(M::secrets(params).into_iter().flat_map(BTreeMap::values));
    let malformed = |reason: String| HostError::Malformed { driver: driver(), method, reason };
    let params =
        to_raw_value(params).map_err(|source| HostError::Unwritable { driver: driver(), method, source })?;
    let size = params.get().len() + ENVELOPE;
    if size > MAX_FRAME_BYTES {
        return Err(HostError::RequestTooLarge { driver: driver(), method, size, max: MAX_FRAME_BYTES });
    }

    let (events, mut queue) = mpsc::channel(QUEUE);
    let id = connection.client.new_id();
    connection.inflight.insert(id, events);
    let mut unanswered = Unanswered { connection, id, roll_back: !deadline.roll_back.is_zero(), done: false };
    let request = connection.client.request(id, method, &params);
    tokio::pin!(request);

    let mut clock = Clock::new(deadline);
    let mut interrupts = connection.interrupts().clone();
    let answer = loop {
        tokio::select! {
            // The request first, so that it is on its way before it can be cancelled; the events last, so that a
            // flood of them keeps nothing from its turn.
            biased;
            answer = &mut request => break answer,
            number = interrupts.next() => {
                *connection.interrupts() = interrupts.clone();
                match number {
                    1 if deadline.roll_back.is_zero() => return Err(HostError::Interrupted { driver: driver(), method }),
                    1 => unanswered.cancel(&mut clock).await,
                    2 => connection.signal(Signal::Term).await,
                    _ => connection.signal(Signal::Kill).await,
                }
            }
            () = clock.time.reach(clock.due) => {
                if clock.cancelled || deadline.roll_back.is_zero() {
                    let within = clock.due;
                    let stderr = connection.stderr().await;
                    return Err(HostError::TimedOut { driver: driver(), method, within, stderr });
                }
                unanswered.cancel(&mut clock).await;
            }
            Some(event) = queue.recv() => {
                clock.touch();
                observer(event);
            }
        }
    };
    // The reader hands out events before the response that follows them, so what came before it is in the queue now.
    while let Ok(event) = queue.try_recv() {
        observer(event);
    }
    unanswered.done = true;
    drop(unanswered);

    match answer {
        Ok(result) => serde_json::from_str(result.get()).map_err(|error| malformed(error.to_string())),
        Err(ClientError::Call(error)) => {
            if let Some(reason) = error.message().strip_prefix(MALFORMED) {
                return Err(malformed(reason.into()));
            }
            let mut error = Box::new(refusal(error.code(), error.message(), error.data()));
            if error.message.trim().is_empty() {
                error.message = format!(
                    "runtime driver {:?} answered {method} with an error that says nothing",
                    driver()
                );
            }
            Err(HostError::Refused { driver: driver(), method, error })
        }
        Err(_) => {
            Err(HostError::Ended { driver: driver(), method, ending: Box::new(connection.ending().await) })
        }
    }
}

/// The driver's error, as the reader put it together.
fn refusal(code: i32, message: &str, data: Option<&RawValue>) -> Error {
    let mut refusal = Error::internal(message);
    refusal.code = code;
    if let Some(data) = data.and_then(|data| serde_json::from_str(data.get()).ok()) {
        refusal.data = data;
    }
    refusal
}

/// When to lose patience.
struct Clock {
    time: Stopwatch,
    idle: Duration,
    cap: Duration,
    due: Duration,
    cancelled: bool,
    roll_back: Duration,
}

impl Clock {
    fn new(deadline: Deadline) -> Self {
        let Deadline { idle, cap, roll_back } = deadline;
        Self { time: Stopwatch::start(), idle, cap, due: idle.min(cap), cancelled: false, roll_back }
    }

    fn touch(&mut self) {
        self.due = (self.time.elapsed() + self.idle).min(self.cap);
    }

    fn cancel(&mut self, told: bool) {
        let now = self.time.elapsed();
        self.cancelled = true;
        self.idle = if told { self.roll_back } else { CLOSED_STDIN };
        self.cap = now + if told { ROLL_BACK_CAP } else { CLOSED_STDIN };
        self.touch();
    }
}

/// A request whose answer has not come. When it is dropped so, the driver is told to give it up, and the connection
/// counts as broken.
struct Unanswered<'a> {
    connection: &'a Connection,
    id: u64,
    roll_back: bool,
    done: bool,
}

impl Unanswered<'_> {
    async fn cancel(&self, clock: &mut Clock) {
        clock.cancel(self.connection.cancellable.load(Ordering::Relaxed));
        self.connection.cancel(self.id).await;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.connection.inflight.remove(self.id);
        if self.done {
            return;
        }
        self.connection.broken.store(true, Ordering::Relaxed);
        let cancellable = self.connection.cancellable.load(Ordering::Relaxed);
        if self.roll_back
            && cancellable
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (client, cancel) = (Arc::clone(&self.connection.client), CancelParams::new(self.id));
            runtime.spawn(async move { client.cancel(cancel).await });
        }
    }
}
