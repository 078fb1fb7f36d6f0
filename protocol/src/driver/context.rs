//! What a handler has of the request that it works on.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{Error, Stream};

use super::{step::StepReporter, wire::Wire};

/// A running request: its steps, its log, its cancellation. Clones belong to the same request.
#[derive(Debug, Clone)]
pub struct Context {
    steps: Arc<StepReporter>,
    log: LogWriter,
    cancelled: CancellationToken,
}

impl Context {
    pub(super) fn new(wire: Arc<Wire>, request_id: Option<u64>, cancelled: CancellationToken) -> Self {
        let steps = Arc::new(StepReporter::new(wire, request_id));
        Self { log: LogWriter(Arc::clone(&steps)), steps, cancelled }
    }

    /// Where the handler tells its steps.
    pub fn steps(&self) -> &StepReporter {
        &self.steps
    }

    /// Where output of backend commands goes.
    pub const fn log(&self) -> &LogWriter {
        &self.log
    }

    /// The token that is cancelled when the host cancels the request, closes stdin, or ends the driver.
    pub const fn cancellation(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// An error of kind `cancelled` once the request is cancelled: `context.check()?` between two steps.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancelled.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// The largest piece of output in one notification. Escaped, it is still far below the largest frame.
const MAX_LOG_BYTES: usize = 64 * 1024;

/// Passes output of backend commands on to the host.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<StepReporter>);

impl LogWriter {
    /// Passes on what a command printed, with its newlines; in pieces when it is long.
    pub fn write(&self, stream: Stream, text: impl AsRef<str>) {
        let mut rest = text.as_ref();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.floor_char_boundary(MAX_LOG_BYTES));
            self.wire.notify(method::LOG, Log::new(self.request_id, stream, piece));
            rest = more;
        }
    }
}
