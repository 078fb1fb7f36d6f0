//! What happened in a check, line by line, for its report.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// The most lines that are kept; the middle is left out of a longer one.
const KEPT: usize = 400;
/// The most characters of a line that are kept.
const WIDTH: usize = 4000;

/// Shared by all that takes part in a check.
#[derive(Debug, Clone)]
pub(crate) struct Transcript {
    started: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), lines: Arc::default() }
    }

    /// Adds a line: who does what, and the bytes in question.
    pub(crate) fn add(&self, what: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(WIDTH)]);
        let text = text.trim_end_matches(['\r', '\n']);
        let more = if bytes.len() > WIDTH { format!(" ... {} bytes", bytes.len()) } else { String::new() };
        let line = format!("{:>7.3} {what} {text}{more}", self.started.elapsed().as_secs_f64());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.remove(KEPT / 4);
        }
        lines.push(line);
    }

    /// Adds something that went by beside the wire.
    pub(crate) fn note(&self, text: &str) {
        self.add("--", text.as_bytes());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
