//! The requests that wait for an answer, and what is told about them meanwhile.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;

use crate::{Log, Step};

/// A notification about a request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Progress.
    Step(Step),
    /// Output of a backend command.
    Log(Log),
}

/// How many events wait for a consumer before the reader waits for it. The reader's waiting is the driver's
/// waiting, so nothing is lost and memory stays bounded.
pub(super) const QUEUE: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Inflight {
    requests: Mutex<HashMap<u64, mpsc::Sender<Event>>>,
}

impl Inflight {
    pub(super) fn insert(&self, id: u64, events: mpsc::Sender<Event>) {
        self.lock().insert(id, events);
    }

    pub(super) fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Whether a request waited for an answer; it has one now.
    pub(super) fn answered(&self, id: u64) -> bool {
        self.lock().remove(&id).is_some()
    }

    /// Where events of any request go. `None`: there is none.
    pub(super) fn any_events(&self) -> Option<mpsc::Sender<Event>> {
        self.lock().values().next().cloned()
    }

    /// Where events of a request go. `None`: it does not wait for an answer.
    pub(super) fn events(&self, id: u64) -> Option<mpsc::Sender<Event>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Event>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
