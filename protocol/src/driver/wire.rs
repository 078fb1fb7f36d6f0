//! The driver's end of stdout: whole frames, one after the other.

use std::{
    fs::File,
    io::Write,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Error, ErrorKind, frame};

/// Where frames go. Writing blocks while the host does not read, which a host always does.
#[derive(Debug)]
pub(super) struct Wire {
    out: Mutex<File>,
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
    pub(super) const fn new(out: File) -> Self {
        Self { out: Mutex::new(out) }
    }

    pub(super) fn notify(&self, method: &str, params: impl Serialize) {
        self.send(&Notification { jsonrpc: "2.0", method, params });
    }

    /// Answers a request. A result that is larger than a frame becomes an error.
    pub(super) fn respond(&self, id: &RawValue, outcome: &Result<Box<RawValue>, Error>, max: usize) {
        match outcome {
            Ok(result) if result.get().len() + id.get().len() + 64 > max => {
                let message =
                    format!("the answer is {} bytes, more than a frame of {max}", result.get().len());
                self.fail(Some(id), &Error::new(ErrorKind::FrameTooLarge, message));
            }
            Ok(result) => self.send(&Success { jsonrpc: "2.0", id, result }),
            Err(error) => self.fail(Some(id), error),
        }
    }

    /// Answers what is no request with an error; without an id when it has none that can be used.
    pub(super) fn fail(&self, id: Option<&RawValue>, error: &Error) {
        self.send(&Failure { jsonrpc: "2.0", id, error });
    }

    fn send(&self, frame: &impl Serialize) {
        let mut bytes = match serde_json::to_vec(frame) {
            Ok(bytes) if bytes.len() <= frame::MAX_FRAME_BYTES => bytes,
            // Only a notification or an error with a huge text gets here, and neither is worth the connection.
            _ => return,
        };
        bytes.push(b'\n');
        // A host that is gone closes stdin as well; the loop sees that.
        let _ = self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes);
    }
}
