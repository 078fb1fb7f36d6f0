//! One connection: what the driver is opened as, and which requests run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{Capabilities, Error, ErrorKind};

use super::{Driver, wire::Wire};

pub(super) struct Connection<D> {
    pub(super) wire: Arc<Wire>,
    /// Cancelled at the end of stdin, by SIGTERM, and when nobody reads stdout.
    pub(super) ended: CancellationToken,
    /// Cancelled by SIGTERM.
    pub(super) terminated: CancellationToken,
    phase: Mutex<Phase<D>>,
    running: Mutex<HashMap<u64, CancellationToken>>,
}

enum Phase<D> {
    New,
    /// `initialize` is being answered.
    Opening,
    Open(Arc<Session<D>>),
    ShutDown,
}

/// What is between `initialize` and `shutdown`.
pub(super) struct Session<D> {
    pub(super) driver: D,
    /// What `initialize` declared.
    pub(super) offers: Capabilities,
}

impl<D: Driver> Connection<D> {
    pub(super) fn new(wire: Wire, ended: CancellationToken) -> Self {
        let (phase, running) = (Mutex::new(Phase::New), Mutex::default());
        Self { wire: Arc::new(wire), ended, terminated: CancellationToken::new(), phase, running }
    }

    pub(super) fn session(&self) -> Result<Arc<Session<D>>, Error> {
        match &*lock(&self.phase) {
            Phase::Open(session) => Ok(Arc::clone(session)),
            Phase::New | Phase::Opening => Err(not_initialized("the session is not initialized")),
            Phase::ShutDown => Err(not_initialized("the session is shut down")),
        }
    }

    pub(super) fn begin_open(&self) -> Result<Opening<'_, D>, Error> {
        let mut phase = lock(&self.phase);
        match *phase {
            Phase::New => *phase = Phase::Opening,
            Phase::ShutDown => return Err(not_initialized("the session is shut down")),
            _ => return Err(not_initialized("the session is initialized already")),
        }
        Ok(Opening(self))
    }

    pub(super) fn shut_down(&self) {
        *lock(&self.phase) = Phase::ShutDown;
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

    /// Cancels a request, if the driver has declared that it can.
    pub(super) fn cancel(&self, request_id: u64) {
        let can = self.session().is_ok_and(|session| session.offers.cancellation.is_some());
        if can && let Some(token) = lock(&self.running).get(&request_id) {
            token.cancel();
        }
    }
}

/// An `initialize` under way. When it is dropped without a driver, the host may try again.
pub(super) struct Opening<'a, D: Driver>(&'a Connection<D>);

impl<D: Driver> Opening<'_, D> {
    pub(super) fn done(self, driver: D, offers: Capabilities) {
        *lock(&self.0.phase) = Phase::Open(Arc::new(Session { driver, offers }));
    }
}

impl<D: Driver> Drop for Opening<'_, D> {
    fn drop(&mut self) {
        let mut phase = lock(&self.0.phase);
        if matches!(*phase, Phase::Opening) {
            *phase = Phase::New;
        }
    }
}

fn not_initialized(message: &str) -> Error {
    Error::new(ErrorKind::NotInitialized, message)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
