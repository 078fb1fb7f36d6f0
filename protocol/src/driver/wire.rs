//! The driver's end of stdout: whole frames, one after the other.

use std::{
    fs::File,
    io::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::{
    Error, ErrorKind,
    frame::{FrameTooLarge, MAX_FRAME_BYTES},
};

/// Where frames go. Writing blocks while the host does not read, which a host always does.
#[derive(Debug)]
pub(super) struct Wire {
    out: Mutex<File>,
    /// The largest frame that the host takes.
    max: AtomicUsize,
    /// Cancelled when nobody reads any more.
    closed: CancellationToken,
}

#[derive(Serialize)]
struct Notification<'a, P> {
    jsonrpc: &'a str,
    method: &'a str,
    params: P,
}

#[derive(Serialize)]
struct Success<'a, R> {
    jsonrpc: &'a str,
    id: &'a RawValue,
    result: R,
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'a str,
    id: Option<&'a RawValue>,
    error: &'a Error,
}

impl Wire {
    pub(super) fn new(out: File) -> Self {
        let max = AtomicUsize::new(frame::MAX_FRAME_BYTES);
        Self { out: Mutex::new(out), max, closed: CancellationToken::new() }
    }

    /// Keeps frames to what the host said that it takes.
    pub(super) fn limit(&self, max: usize) {
        self.max.store(max.clamp(frame::MIN_LIMIT, frame::MAX_FRAME_BYTES), Ordering::Relaxed);
    }

    /// Waits until the host has closed its end.
    pub(super) fn closed(&self) -> WaitForCancellationFuture<'_> {
        self.closed.cancelled()
    }

    /// A notification that is larger than a frame is dropped.
    pub(super) fn notify(&self, method: &str, params: impl Serialize) {
        let _ = self.send(&Notification { jsonrpc: "2.0", method, params });
    }

    /// Answers a request. A result that is larger than a frame becomes an error.
    pub(super) fn respond(&self, id: &RawValue, outcome: &Result<Box<RawValue>, Error>) {
        match outcome {
            Ok(result) if self.send(&Success { jsonrpc: "2.0", id, result }) => {}
            Ok(result) => {
                let message = format!("the answer is {} bytes, more than the host takes", result.get().len());
                self.fail(Some(id), &Error::new(ErrorKind::FrameTooLarge, message));
            }
            Err(error) => self.fail(Some(id), error),
        }
    }

    /// Answers what is no request with an error; without an id when it has none that can be used.
    pub(super) fn fail(&self, id: Option<&RawValue>, error: &Error) {
        if !self.send(&Failure { jsonrpc: "2.0", id, error }) {
            let error = Error::new(error.kind(), "the error is larger than the host takes");
            self.send(&Failure { jsonrpc: "2.0", id, error: &error });
        }
    }

    /// Whether the frame is not too large.
    fn send(&self, frame: &impl Serialize) -> bool {
        let mut bytes = match serde_json::to_vec(frame) {
            Ok(bytes) if bytes.len() <= self.max.load(Ordering::Relaxed) => bytes,
            _ => return false,
        };
        bytes.push(b'\n');
        if self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes).is_err() {
            self.closed.cancel();
        }
        true
    }
}
