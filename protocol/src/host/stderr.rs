//! The end of what a driver prints on stderr, kept for error reports.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::process::OutputSink;

/// How much is kept, in bytes.
const KEPT: usize = 16 * 1024;

#[derive(Debug, Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<VecDeque<u8>>>);

impl StderrTail {
    /// Reads to the end, whatever comes.
    pub(super) async fn read(self, mut from: impl AsyncRead + Unpin, sink: Option<OutputSink>) {
        let mut buffer = [0; 8 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let bytes = &buffer[..read];
            if let Some(sink) = &sink {
                sink(&String::from_utf8_lossy(bytes));
            }
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(bytes);
            let excess = kept.len().saturating_sub(KEPT);
            kept.drain(..excess);
        }
    }

    pub(super) fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    }
}
