//! What is known of instances without asking the engine, which takes longer than most of what it is asked for.

use std::fs;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use kdn_protocol::Instance;
use serde::{Deserialize, Serialize};

use super::{Facts, Found, Instances, WORKSPACE, instance};
use crate::engine::{Container, Status};
use crate::error::{Doing, Error, Result};
use crate::files;

/// For how long what was seen counts.
const FRESH: Duration = Duration::from_secs(1);

/// What was seen of an instance last.
#[derive(Debug)]
pub(super) struct Seen {
    id: String,
    at: Instant,
    found: Found,
}

/// What a file keeps of an instance. It can't change, so it is only ever right or about a container that is gone.
#[derive(Serialize, Deserialize)]
struct Known {
    workspace: String,
    facts: Facts,
}

impl Instances {
    /// Remembers what was seen, for a start that follows at once.
    pub(super) fn see(&self, id: &str, found: &Found) {
        let seen = Seen { id: id.to_owned(), at: Instant::now(), found: found.clone() };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// What was seen of a stopped instance just now, once. A running one may have been stopped since.
    pub(super) fn just_seen(&self, id: &str) -> Option<Found> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let counts = seen.id == id && seen.at.elapsed() < FRESH;
        (counts && seen.found.container().status != Status::Running).then_some(seen.found)
    }

    /// Writes down what is to be known of a new instance.
    pub(super) fn learn(&self, container: &Container, facts: &Facts) -> Result<()> {
        let workspace = container.labels.get(WORKSPACE).cloned().unwrap_or_default();
        let known = Known { workspace, facts: facts.clone() };
        let bytes = serde_json::to_vec(&known).map_err(|error| Error::internal(error.to_string()))?;
        let path = self.known_path(&container.id);
        files::in_folder(&self.storage.join("known"), || files::create(&path, &bytes))
            .doing("write down the instance")
    }

    /// The facts of an instance, and what it is in this state.
    pub(super) fn recall(&self, id: &str, status: Status) -> Option<(Facts, Instance)> {
        let Known { workspace, facts } = serde_json::from_slice(&fs::read(self.known_path(id)).ok()?).ok()?;
        let container = Container {
            id: id.to_owned(),
            name: facts.container.clone(),
            status,
            labels: [(WORKSPACE.to_owned(), workspace)].into(),
            ..Container::default()
        };
        let instance = instance(&container, &facts);
        Some((facts, instance))
    }

    /// Forgets an instance that is gone.
    pub(super) fn forget(&self, id: &str) {
        let _ = fs::remove_file(self.known_path(id));
        // Not if others are in it.
        let _ = fs::remove_dir(self.storage.join("known"));
    }

    /// Forgets all instances but these.
    pub(super) fn forget_others(&self, ids: &[&str]) {
        for known in fs::read_dir(self.storage.join("known")).into_iter().flatten().flatten() {
            let name = known.file_name();
            // One that is being written has more behind its id.
            let id = name.to_str().and_then(|name| name.split('.').next());
            if id.is_some_and(|id| super::is_container_id(id) && !ids.contains(&id)) {
                let _ = fs::remove_file(known.path());
            }
        }
    }

    fn known_path(&self, id: &str) -> PathBuf {
        self.storage.join("known").join(id)
    }
}
