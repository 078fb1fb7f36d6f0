//! The end of what a driver prints on stderr, kept for error reports.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{process::OutputSink, redact::Redactor};

/// How much is kept, in bytes.
const KEPT: usize = 16 * 1024;

#[derive(Debug, Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<VecDeque<u8>>>);

impl StderrTail {
    /// Reads to the end, whatever comes.
    pub(super) async fn read(
        self,
        mut from: impl AsyncRead + Unpin,
        redactor: Redactor,
        sink: Option<OutputSink>,
    ) {
        let mut buffer = [0; 8 * 1024];
        let mut waiting = Vec::new();
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            waiting.extend_from_slice(&buffer[..read]);
            let end = match waiting.iter().rposition(|&byte| byte == b'\n') {
                // A value may end in what comes next.
                line if redactor.is_needed() && waiting.len() < KEPT => line.map_or(0, |newline| newline + 1),
                _ => waiting.len(),
            };
            self.take(&redactor.text(&waiting[..end]), sink.as_ref());
            waiting.drain(..end);
        }
        self.take(&redactor.text(&waiting), sink.as_ref());
    }

    fn take(&self, bytes: &[u8], sink: Option<&OutputSink>) {
        if let Some(sink) = sink.filter(|_| !bytes.is_empty()) {
            sink(&String::from_utf8_lossy(bytes));
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }

    pub(super) fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    }
}
