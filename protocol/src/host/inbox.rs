//! The host's end of a driver's stdout: every line is judged before the JSON-RPC client sees it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jsonrpsee::core::client::{ReceivedMessage, TransportReceiverT};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::{io::AsyncReadExt, process::ChildStdout, sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind, Log, Step, envelope::Envelope, frame::Splitter, method};

use super::{
    inflight::{Event, Inflight},
    redact::Redactor,
};

/// How many lines that are no messages a driver may print.
const MAX_STRAY_LINES: usize = 100;
/// How much of the first stray line is kept, in characters.
const SAMPLE: usize = 200;
/// How long a driver's stdout may be silent after its end, when something else holds it open.
const AFTER_END: Duration = Duration::from_millis(100);

/// What the reader has seen of a driver's manners.
#[derive(Debug, Default)]
pub(super) struct Manners {
    stray_lines: AtomicUsize,
    stray_sample: Mutex<Option<String>>,
    fault: Mutex<Option<String>>,
}

impl Manners {
    pub(super) fn stray_lines(&self) -> usize {
        self.stray_lines.load(Ordering::Relaxed)
    }

    pub(super) fn stray_sample(&self) -> Option<String> {
        self.stray_sample.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What ended the connection, if the driver is to blame.
    pub(super) fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_fault(&self, fault: String) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    fn stray(&self, line: &[u8]) -> Result<(), Closed> {
        let text = || String::from_utf8_lossy(line).chars().take(SAMPLE).collect();
        self.stray_sample.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(text);
        if self.stray_lines.fetch_add(1, Ordering::Relaxed) >= MAX_STRAY_LINES {
            self.set_fault(format!(
                "it printed more than {MAX_STRAY_LINES} lines on stdout that are no messages"
            ));
            return Err(Closed);
        }
        Ok(())
    }
}

/// The stream of a driver's messages has ended.
#[derive(Debug, thiserror::Error)]
#[error("the driver's stdout is closed")]
pub(super) struct Closed;

pub(super) struct Inbox {
    pub(super) stdout: ChildStdout,
    pub(super) splitter: Splitter,
    pub(super) buffer: Vec<u8>,
    pub(super) inflight: Arc<Inflight>,
    pub(super) manners: Arc<Manners>,
    pub(super) redactor: Redactor,
    /// Takes answers to requests that a driver has no business to send.
    pub(super) replies: mpsc::Sender<String>,
    /// Cancelled when the stream has ended, so that a blocked writer gets free.
    pub(super) closed: CancellationToken,
    /// Cancelled when the driver's process has ended.
    pub(super) ended: CancellationToken,
}

/// What a line asks for.
enum Verdict {
    Response(Vec<u8>),
    Notify(mpsc::Sender<Event>, Event),
    Reply(String),
    Ignore,
    Stray,
}

impl Inbox {
    /// Reads more; zero bytes at the end, which for a driver that has ended need not be the end of the pipe.
    async fn read(&mut self) -> usize {
        let silence = async {
            self.ended.cancelled().await;
            sleep(AFTER_END).await;
        };
        tokio::select! {
            biased;
            read = self.stdout.read(&mut self.buffer) => read.unwrap_or(0),
            () = silence => 0,
        }
    }

    /// The next response to a request that waits for one.
    async fn next_response(&mut self) -> Result<Vec<u8>, Closed> {
        loop {
            loop {
                let line = match self.splitter.next_frame() {
                    Ok(Some(line)) => self.redactor.line(line),
                    Ok(None) => break,
                    Err(error) => {
                        self.manners.set_fault(format!("it printed a frame larger than {} bytes", error.max));
                        return Err(Closed);
                    }
                };
                match judge(&line, &self.inflight) {
                    Verdict::Response(response) => return Ok(response),
                    // A consumer that is gone needs no events.
                    Verdict::Notify(events, event) => drop(events.send(event).await),
                    Verdict::Reply(reply) => {
                        self.manners.stray(&line)?;
                        let _ = self.replies.try_send(reply);
                    }
                    Verdict::Ignore => {}
                    Verdict::Stray => self.manners.stray(&line)?,
                }
            }
            let read = self.read().await;
            if read == 0 {
                let rest = self.splitter.rest();
                if !rest.trim_ascii().is_empty() {
                    self.manners.stray(&self.redactor.line(rest))?;
                }
                return Err(Closed);
            }
            self.splitter.push(&self.buffer[..read]);
        }
    }
}

impl TransportReceiverT for Inbox {
    type Error = Closed;

    async fn receive(&mut self) -> Result<ReceivedMessage, Closed> {
        let received = self.next_response().await;
        if received.is_err() {
            self.closed.cancel();
        }
        received.map(ReceivedMessage::Bytes)
    }
}

fn judge(line: &[u8], inflight: &Inflight) -> Verdict {
    if line.trim_ascii().is_empty() {
        return Verdict::Ignore;
    }
    let Ok(envelope) = Envelope::read(line) else { return Verdict::Stray };
    if !envelope.is_json_rpc() {
        return Verdict::Stray;
    }
    match (envelope.method(), envelope.id) {
        (Some(name), None) => notification(&name, envelope.params, inflight),
        (Some(name), Some(id)) => Verdict::Reply(refuse(&name, id)),
        (None, _) if envelope.has_method() => Verdict::Stray,
        (None, _) => match envelope.integer_id().filter(|id| inflight.answered(*id)) {
            Some(id) => Verdict::Response(response(id, &envelope)),
            None => Verdict::Stray,
        },
    }
}

fn notification(name: &str, params: Option<&RawValue>, inflight: &Inflight) -> Verdict {
    let params = params.map_or("{}", RawValue::get);
    let (request_id, event) = match name {
        method::STEP => match serde_json::from_str::<Step>(params) {
            Ok(step) => (Some(step.request_id), Event::Step(step)),
            Err(_) => return Verdict::Stray,
        },
        method::LOG => match serde_json::from_str::<Log>(params) {
            Ok(log) => (log.request_id, Event::Log(log)),
            Err(_) => return Verdict::Stray,
        },
        _ => return Verdict::Ignore,
    };
    let events = request_id.map_or_else(|| inflight.any_events(), |id| inflight.events(id));
    events.map_or(Verdict::Ignore, |events| Verdict::Notify(events, event))
}

/// An error as a driver sends it.
#[derive(Deserialize)]
#[serde(expecting = "an object with a code and a message")]
struct Refusal<'a> {
    code: i32,
    message: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Refusal<'_> {
    /// Takes an error whose data are not what they should be for one without.
    fn read(self) -> Error {
        let mut error = Error::internal(self.message);
        error.code = self.code;
        if let Some(data) = self.data.and_then(|data| serde_json::from_str(data.get()).ok()) {
            error.data = data;
        }
        error
    }
}

/// The response, put together anew: the client takes only what is strictly right, and ends the connection at
/// anything else.
fn response(id: u64, envelope: &Envelope<'_>) -> Vec<u8> {
    let there = |value: &&RawValue| value.get() != "null";
    let malformed = |why: &str| Error::internal(format!("{MALFORMED}{why}"));
    let error = match (envelope.result.filter(there), envelope.error.filter(there)) {
        (Some(result), None) => {
            let (before, after) = (format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#), "}");
            return [before.as_bytes(), result.get().as_bytes(), after.as_bytes()].concat();
        }
        (None, Some(error)) => serde_json::from_str::<Refusal>(error.get())
            .map_or_else(|error| malformed(&format!("its error does not fit: {error}")), Refusal::read),
        (Some(_), Some(_)) => malformed("it has both a result and an error"),
        (None, None) => malformed("it has neither a result nor an error"),
    };
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string().into_bytes()
}

/// How the message of an error begins that the host itself put in place of a response.
pub(super) const MALFORMED: &str = "\u{0}malformed response: ";

fn refuse(name: &str, id: &RawValue) -> String {
    let error = Error::new(ErrorKind::MethodNotFound, format!("a host takes no requests: {name:?}"));
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
}
