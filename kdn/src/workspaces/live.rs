//! The states of workspaces as their drivers see them now.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use kdn_protocol::{
    Instance, ListParams, State,
    host::{Deadline, Stopwatch},
};
use tokio::task::JoinSet;

use super::{
    Manager, Record,
    list::list,
    manager::{belongs, not_gone},
};
use crate::{output::CommandError, runtimes::at_fault};

/// How long a driver may take in all, from its start to its last page.
const PATIENCE: Duration = Duration::from_secs(4);

/// A workspace with the state of its instance.
#[derive(Debug, Clone)]
pub struct Live {
    /// The workspace; its state is the one of now if `fresh`, else the last that was stored.
    pub record: Record,
    /// Whether the driver said so just now.
    pub fresh: bool,
    /// What the state does not say.
    pub reason: Option<String>,
}

impl Manager {
    /// Asks the drivers of these workspaces, side by side and with little patience. A driver that does not answer
    /// leaves its workspaces as they are stored; the second part of the result says why.
    pub async fn refresh(&self, records: Vec<Record>) -> (Vec<Live>, Vec<CommandError>) {
        let mut drivers = JoinSet::new();
        let mut kinds: Vec<&str> = records.iter().map(|record| record.runtime.kind.as_str()).collect();
        kinds.retain(|kind| !kind.is_empty());
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let (manager, kind) = (self.clone(), kind.to_owned());
            drivers.spawn(async move {
                let instances = manager.instances(&kind).await;
                (kind, instances)
            });
        }
        let answers: BTreeMap<_, _> = drivers.join_all().await.into_iter().collect();
        let answers: BTreeMap<_, _> =
            answers.into_iter().map(|(kind, instances)| (kind, instances.map(Index::new))).collect();
        let live = records.into_iter().map(|record| match answers.get(&record.runtime.kind) {
            Some(Ok(index)) => index.look_up(record),
            Some(Err(error)) => Live { record, fresh: false, reason: Some(error.message().to_owned()) },
            None => Live { record, fresh: true, reason: Some("it has no runtime".to_owned()) },
        });
        (live.collect(), answers.into_values().filter_map(Result::err).collect())
    }

    async fn instances(&self, kind: &str) -> Result<Vec<Instance>, CommandError> {
        let driver = self.catalog.find(kind)?;
        let mut time = Stopwatch::start();
        let listing = async {
            let session = self.open(&driver).await?;
            let listed = list(&session, ListParams::default(), Deadline::listing()).await;
            Ok((session, listed))
        };
        // A driver whose session is dropped is killed.
        let (session, listed) = time.within(PATIENCE, listing).await.unwrap_or_else(|| {
            let message =
                format!("runtime driver {kind:?} did not list its instances within {} s", PATIENCE.as_secs());
            Err(at_fault(kind, message))
        })?;
        // What it has listed is true, however it ends.
        if time.within(PATIENCE, self.close(session)).await.is_none() {
            self.notes.say(&not_gone(&driver.path));
        }
        listed
            .map_err(|error| error.context(format_args!("failed to list the instances of runtime {kind:?}")))
    }
}

/// The instances of a driver by the ids under which a workspace may know its own.
struct Index {
    instances: Vec<Instance>,
    by_id: HashMap<String, usize>,
}

impl Index {
    fn new(instances: Vec<Instance>) -> Self {
        let ids = |instance: &Instance| [instance.id.clone(), instance.workspace_id.clone()];
        let by_id = instances
            .iter()
            .enumerate()
            .flat_map(|(at, instance)| ids(instance).map(|id| (id, at)))
            .collect();
        Self { instances, by_id }
    }

    fn look_up(&self, mut record: Record) -> Live {
        let found = self.by_id.get(&record.id).or_else(|| self.by_id.get(&record.runtime.instance_id));
        let found = found.map(|at| &self.instances[*at]);
        let Some(instance) = found.filter(|instance| belongs(instance, &record)) else {
            record.runtime.state = State::Error;
            record.started_at = None;
            return Live { record, fresh: true, reason: Some("its instance is gone".to_owned()) };
        };
        let mut reason = instance.reason.clone();
        match instance.validate() {
            Ok(()) => record.update(instance.clone()),
            Err(why) => {
                record.runtime.state = State::Unknown;
                reason = Some(format!("its runtime returned {why}"));
            }
        }
        if record.runtime.state != State::Running {
            record.started_at = None;
        }
        Live { record, fresh: true, reason }
    }
}
