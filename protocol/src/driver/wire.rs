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
use tokio_util::sync::CancellationToken;

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
    ended: CancellationToken,
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
    /// The wire cancels `ended` when nobody reads it any more.
    pub(super) const fn new(out: File, ended: CancellationToken) -> Self {
        Self { out: Mutex::new(out), max: AtomicUsize::new(MAX_FRAME_BYTES), ended }
    }

    /// From now on the host takes frames of `max` bytes.
    pub(super) fn limit(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Tells the host something. What is larger than a frame is not worth the connection, and stays untold.
    pub(super) fn notify(&self, method: &str, params: impl Serialize) {
        let _ = self.send(&Notification { jsonrpc: "2.0", method, params });
    }

    /// Answers a request. An answer that is larger than a frame becomes an error.
    pub(super) fn respond(&self, id: &RawValue, outcome: &Result<Box<RawValue>, Error>) {
        let sent = match outcome {
            Ok(result) => self.send(&Success { jsonrpc: "2.0", id, result }),
            Err(error) => self.send(&Failure { jsonrpc: "2.0", id: Some(id), error }),
        };
        if let Err(FrameTooLarge { max }) = sent {
            let error = Error::new(
                ErrorKind::FrameTooLarge,
                format!("the answer is larger than a frame of {max} bytes"),
            );
            let _ = self.send(&Failure { jsonrpc: "2.0", id: Some(id), error: &error });
        }
    }

    /// Answers what is no request with an error; without an id when it has none that can be used.
    pub(super) fn refuse(&self, id: Option<&RawValue>, error: &Error) {
        let _ = self.send(&Failure { jsonrpc: "2.0", id, error });
    }

    fn send(&self, frame: &impl Serialize) -> Result<(), FrameTooLarge> {
        let max = self.max.load(Ordering::Relaxed);
        let mut bytes = match serde_json::to_vec(frame) {
            Ok(bytes) if bytes.len() <= max => bytes,
            _ => return Err(FrameTooLarge { max }),
        };
        bytes.push(b'\n');
        if self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes).is_err() {
            self.ended.cancel();
        }
        Ok(())
    }
}
