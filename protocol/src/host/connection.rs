//! A running driver and the wire to it.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jsonrpsee::core::client::TransportSenderT;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    CancelParams, Empty,
    frame::{MAX_FRAME_BYTES, Splitter},
    method,
};

use super::{
    Deadline, Ending, HostError, Interrupts, Launch,
    call::call,
    client::{DriverClient, Outbox},
    group::Signal,
    inbox::{Inbox, Manners},
    inflight::Inflight,
    process::Process,
    redact::Redactor,
};

/// How long a driver may take to exit by itself once its stdin is closed.
const EXIT: Duration = Duration::from_secs(5);
/// How long a driver whose stdout is closed may take to exit before the host ends it.
const CLOSED: Duration = Duration::from_millis(500);

pub(super) struct Connection {
    pub(super) driver: String,
    pub(super) path: PathBuf,
    pub(super) client: Arc<DriverClient>,
    pub(super) inflight: Arc<Inflight>,
    /// Whether the driver takes `$/cancelRequest`; known after `initialize`.
    pub(super) cancellable: AtomicBool,
    /// Whether a call went without its answer, so that nothing good can be expected any more.
    pub(super) broken: AtomicBool,
    pub(super) interrupts: Mutex<Interrupts>,
    pub(super) redactor: Redactor,
    outbox: Outbox,
    manners: Arc<Manners>,
    process: tokio::sync::Mutex<Process>,
}

impl Connection {
    pub(super) fn open(launch: &Launch, interrupts: Interrupts) -> Result<Self, HostError> {
        let ended = CancellationToken::new();
        let redactor = Redactor::default();
        let (process, stdin, stdout) = Process::spawn(launch, redactor.clone(), ended.clone())?;
        let closed = CancellationToken::new();
        let inflight = Arc::new(Inflight::default());
        let manners = Arc::new(Manners::default());
        let outbox = Outbox::new(stdin, closed.clone());
        let replies = reply_with(outbox.clone());
        let inbox = Inbox {
            stdout,
            splitter: Splitter::new(MAX_FRAME_BYTES),
            buffer: vec![0; 64 * 1024],
            inflight: Arc::clone(&inflight),
            manners: Arc::clone(&manners),
            redactor: redactor.clone(),
            replies,
            closed,
            ended,
        };
        Ok(Self {
            driver: launch.r#type.clone(),
            path: launch.path.clone(),
            client: Arc::new(DriverClient::new(outbox.clone(), inbox)),
            inflight,
            cancellable: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            interrupts: Mutex::new(interrupts),
            redactor,
            outbox,
            manners,
            process: tokio::sync::Mutex::new(process),
        })
    }

    /// Asks the driver to give up a request: by notification, or, where it takes none, by the end of its stdin.
    pub(super) async fn cancel(&self, id: u64) {
        if self.cancellable.load(Ordering::Relaxed) {
            self.client.cancel(CancelParams::new(id)).await;
        } else {
            self.outbox.close().await;
        }
    }

    pub(super) async fn signal(&self, signal: Signal) {
        self.process.lock().await.signal(signal);
    }

    pub(super) async fn stderr(&self) -> String {
        self.process.lock().await.stderr().text()
    }

    /// What is known when the driver has closed its stdout or stdin; ends the driver.
    pub(super) async fn ending(&self) -> Ending {
        let mut ending = self.end(CLOSED).await;
        if ending.forced {
            let pipe = if self.outbox.is_broken() { "stdin" } else { "stdout" };
            ending.fault.get_or_insert_with(|| format!("it closed its {pipe} and did not exit"));
        }
        ending
    }

    /// Ends the session: `shutdown`, the end of stdin, then TERM, then KILL.
    pub(super) async fn close(&self) -> Ending {
        let mut patience = Duration::ZERO;
        if !self.broken.load(Ordering::Relaxed) {
            let shutdown =
                call::<method::Shutdown>(self, &Empty {}, Deadline::of("shutdown"), &mut |_| ()).await;
            if shutdown.is_ok() || shutdown.is_err_and(|error| error.refusal().is_some()) {
                patience = EXIT;
            }
        }
        self.end(patience).await
    }

    async fn end(&self, patience: Duration) -> Ending {
        self.broken.store(true, Ordering::Relaxed);
        self.outbox.close().await;
        let mut process = self.process.lock().await;
        let (status, forced) = process.end(patience).await;
        Ending {
            fault: self.manners.fault(),
            status,
            forced: forced && !patience.is_zero(),
            stray_lines: self.manners.stray_lines(),
            stray_sample: self.manners.stray_sample(),
            stderr: process.stderr().text(),
        }
    }

    pub(super) fn interrupts(&self) -> std::sync::MutexGuard<'_, Interrupts> {
        self.interrupts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends answers to requests of the driver from a task of its own, so that the reader never waits for the writer.
fn reply_with(mut outbox: Outbox) -> mpsc::Sender<String> {
    let (sender, mut receiver) = mpsc::channel::<String>(16);
    tokio::spawn(async move {
        while let Some(reply) = receiver.recv().await {
            if outbox.send(reply).await.is_err() {
                break;
            }
        }
    });
    sender
}
