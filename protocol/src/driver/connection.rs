//! One connection: what the driver is opened as, and which requests run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind, FrameLimits};

use super::{Driver, wire::Wire};

pub(super) struct Connection<D> {
    pub(super) wire: Arc<Wire>,
    /// Cancelled at the end of stdin and by SIGTERM.
    pub(super) ended: CancellationToken,
    phase: Mutex<Phase<D>>,
    running: Mutex<HashMap<u64, CancellationToken>>,
}

enum Phase<D> {
    New,
    /// `initialize` is being answered.
    Opening,
    Open(Arc<D>, FrameLimits),
    ShutDown,
}

impl<D: Driver> Connection<D> {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire: Arc::new(wire),
            ended: CancellationToken::new(),
            phase: Mutex::new(Phase::New),
            running: Mutex::default(),
        }
    }

    /// The driver, between `initialize` and `shutdown`.
    pub(super) fn driver(&self) -> Result<Arc<D>, Error> {
        let say = |message| Err(Error::new(ErrorKind::NotInitialized, message));
        match &*lock(&self.phase) {
            Phase::Open(driver, _) => Ok(Arc::clone(driver)),
            Phase::New | Phase::Opening => say("the session is not initialized"),
            Phase::ShutDown => say("the session is shut down"),
        }
    }

    /// The largest frame that the host takes.
    pub(super) fn max_frame_bytes(&self) -> usize {
        match &*lock(&self.phase) {
            Phase::Open(_, limits) => limits.max_frame_bytes,
            _ => FrameLimits::default().max_frame_bytes,
        }
    }

    pub(super) fn begin_open(&self) -> Result<(), Error> {
        let mut phase = lock(&self.phase);
        if !matches!(*phase, Phase::New) {
            return Err(Error::new(ErrorKind::NotInitialized, "the session was initialized before"));
        }
        *phase = Phase::Opening;
        Ok(())
    }

    /// Ends what [`begin_open`](Self::begin_open) began; a host may try again after a failure.
    pub(super) fn end_open(&self, driver: Option<(Arc<D>, FrameLimits)>) {
        *lock(&self.phase) = driver.map_or(Phase::New, |(driver, limits)| Phase::Open(driver, limits));
    }

    pub(super) fn shut_down(&self) -> Result<(), Error> {
        self.driver()?;
        *lock(&self.phase) = Phase::ShutDown;
        Ok(())
    }

    /// The cancellation token of a request that begins.
    pub(super) fn begin(&self, request_id: Option<u64>) -> CancellationToken {
        let token = self.ended.child_token();
        if let Some(id) = request_id {
            lock(&self.running).insert(id, token.clone());
        }
        token
    }

    pub(super) fn end(&self, request_id: Option<u64>) {
        if let Some(id) = request_id {
            lock(&self.running).remove(&id);
        }
    }

    pub(super) fn cancel(&self, request_id: u64) {
        if let Some(token) = lock(&self.running).get(&request_id) {
            token.cancel();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
