//! What the commands that change workspaces share: the store, the drivers, and how a change ends.

use std::path::Path;

use kdn_protocol::{
    ErrorKind, Instance, State,
    host::{HostError, Session},
};

use super::{Record, Result as StoreResult, Store, WorkspaceLock, find};
use crate::{
    output::{CommandError, Notes},
    runtimes::{Catalog, Driver, Host, at_fault},
    secrets::Secrets,
};

/// Makes, changes and removes workspaces.
#[derive(Debug, Clone)]
pub struct Manager {
    /// The workspaces on disk.
    pub store: Store,
    /// The drivers.
    pub catalog: Catalog,
    /// How drivers are started.
    pub host: Host,
    /// The secrets of workspaces.
    pub secrets: Secrets,
    /// Where warnings go.
    pub notes: Notes,
}

/// A workspace that this process alone may change, until it is dropped.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) record: Record,
    pub(super) lock: WorkspaceLock,
}

impl Manager {
    /// The workspace that a user means.
    pub fn find(&self, wanted: &str) -> Result<Record, CommandError> {
        Ok(find(&self.store.read()?, wanted)?.clone())
    }

    /// Waits until this process alone may change the workspace that a user means.
    pub(super) async fn own(&self, wanted: &str) -> Result<Owned, CommandError> {
        let id = self.find(wanted)?.id;
        let lock = match WorkspaceLock::try_acquire(self.store.storage(), &id)? {
            Some(lock) => lock,
            None => self.wait_for(&id, wanted).await?,
        };
        // Another kdn may have changed it, or removed it, while this one waited.
        let records = self.store.read()?;
        let Some(record) = records.into_iter().find(|record| record.id == id) else {
            lock.remove()?;
            return Err(super::Error::NotFound(wanted.to_owned()).into());
        };
        Ok(Owned { record, lock })
    }

    async fn wait_for(&self, id: &str, wanted: &str) -> Result<WorkspaceLock, CommandError> {
        self.notes.say(&format!("Waiting for another kdn to finish with {wanted}"));
        let (storage, id) = (self.store.storage().to_path_buf(), id.to_owned());
        let locking = tokio::task::spawn_blocking(move || WorkspaceLock::acquire_blocking(&storage, &id));
        let mut interrupts = self.host.interrupts.clone();
        tokio::select! {
            lock = locking => Ok(lock.expect("locking does not panic")?),
            _ = interrupts.next() => Err(CommandError::interrupted()),
        }
    }

    /// Opens a session with the driver of a workspace.
    pub(super) async fn session(&self, record: &Record) -> Result<Session, CommandError> {
        if record.runtime.kind.is_empty() || record.runtime.instance_id.is_empty() {
            let error = CommandError::new("instance has no runtime configured");
            return Err(error.with_hint("Remove the workspace with --force, and make it anew"));
        }
        let driver = self.catalog.find(&record.runtime.kind)?;
        self.open(&driver).await
    }

    /// Opens a session with a driver.
    pub async fn open(&self, driver: &Driver) -> Result<Session, CommandError> {
        let opened = self.host.open(driver).await;
        let session = opened.map_err(|error| failed(&self.host, "failed to get runtime", error))?;
        self.catalog.saw(driver, session.manifest());
        Ok(session)
    }

    /// Ends a session. A driver that did not go by itself is told of; that is no failure of the command.
    pub(super) async fn close(&self, session: Session) {
        let path = session.path().to_path_buf();
        if session.close().await.forced {
            self.notes.say(&not_gone(&path));
        }
    }

    /// The same for cleaning up after an interrupt, which only a further one interrupts.
    pub(super) fn in_spite_of_interrupts(&self) -> Self {
        let mut manager = self.clone();
        manager.host.interrupts.acknowledge();
        manager
    }

    /// Changes the entry of a workspace; does nothing when it is gone.
    pub(super) fn save(&self, changed: &Record) -> StoreResult<()> {
        self.store.update(|records| {
            if let Some(record) = records.iter_mut().find(|record| record.id == changed.id) {
                record.clone_from(changed);
            }
            Ok(())
        })
    }
}

/// What is said of a driver that did not go by itself.
pub(super) fn not_gone(driver: &Path) -> String {
    format!("Warning: the runtime driver {} did not exit by itself and was killed", driver.display())
}

/// Whether a driver's instance can be believed; if not, the error names the driver.
pub(super) fn checked(driver: &str, instance: Instance) -> Result<Instance, CommandError> {
    match instance.validate() {
        Ok(()) => Ok(instance),
        Err(why) => Err(at_fault(driver, format!("runtime {driver:?} returned {why}"))),
    }
}

/// The same for the instance of a workspace that was to be changed, which must not have become another, and must be
/// in the state that the change leads to.
pub(super) fn changed(
    record: &Record,
    doing: &str,
    to: &State,
    instance: Instance,
) -> Result<Instance, CommandError> {
    let driver = &record.runtime.kind;
    let instance = checked(driver, instance)?;
    if !belongs(&instance, record) || instance.id != record.runtime.instance_id {
        let message = format!("{doing}: runtime {driver:?} returned another instance: {:?}", instance.id);
        return Err(at_fault(driver, message));
    }
    if instance.state != *to {
        let state = &instance.state;
        return Err(at_fault(
            driver,
            format!("{doing}: runtime {driver:?} left the instance in the state {state}, not {to}"),
        ));
    }
    Ok(instance)
}

/// The error of a call, with what was tried. A cancelled call of an interrupted command is an interruption.
pub(super) fn failed(host: &Host, doing: &str, error: HostError) -> CommandError {
    if host.interrupts.count() > 0 {
        return CommandError::interrupted();
    }
    let gone = error.refusal().is_some_and(|error| error.kind() == ErrorKind::InstanceNotFound);
    let error = CommandError::from(error).context(doing);
    if gone { error.with_hint("Its instance is gone: remove the workspace, and make it anew") } else { error }
}

/// The error for what a driver would have to refuse.
pub(crate) fn unfit(doing: &str, driver: &str, error: kdn_protocol::Error) -> CommandError {
    let refusal = CommandError::new(format!("{doing}: runtime {driver:?}: {error}"));
    if error.kind() != ErrorKind::Unsupported {
        return refusal;
    }
    let field = error.data.field_path.unwrap_or_default();
    let field = match field.as_str() {
        // With hosts, it is `deny` also where nobody wrote so.
        "network.mode" => "network",
        field => field,
    };
    refusal.with_hint(format!("Remove {field} from the configuration, or use another runtime"))
}

/// Whether an instance is the one that a workspace was made with. One of an earlier version does not know its own.
pub(super) fn belongs(instance: &Instance, record: &Record) -> bool {
    instance.workspace_id.is_empty() || instance.workspace_id == record.id
}
