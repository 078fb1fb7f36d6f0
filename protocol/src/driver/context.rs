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
    terminated: CancellationToken,
}

impl Context {
    pub(super) fn new(
        wire: Arc<Wire>,
        request_id: Option<u64>,
        cancelled: CancellationToken,
        terminated: CancellationToken,
    ) -> Self {
        let steps = Arc::new(StepReporter::new(wire, request_id));
        Self { log: LogWriter(Arc::clone(&steps)), steps, cancelled, terminated }
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

    /// The token that is cancelled by SIGTERM, which cancels the request as well: 2 s are left to roll back. There are 10 s
    /// otherwise.
    pub const fn termination(&self) -> &CancellationToken {
        &self.terminated
    }

    /// An error of kind `cancelled` once the request is cancelled: `context.check()?` between two steps.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancelled.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// Passes output of backend commands on to the host, until the handler has returned.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<StepReporter>);

impl LogWriter {
    /// Passes on what a command printed, with its newlines.
    pub fn write(&self, stream: Stream, text: impl Into<String>) {
        self.0.log(stream, text.into());
    }
}
