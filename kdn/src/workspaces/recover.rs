//! Cleaning up after a creation that was cut short.

use std::time::Duration;

use kdn_protocol::{
    ErrorKind, Instance, ListParams, Method, RemoveParams, State,
    host::{Deadline, Session, ignore_events},
    method::{List, Remove},
};
use tokio::time::{Instant, sleep};

use super::{Error, Manager, Pending, Reservation, find, id, lifecycle::stop_instance, list::list};
use crate::{output::CommandError, runtimes::at_fault};

/// How long to try again while the driver says that the instance is busy.
const BUSY: Duration = Duration::from_secs(10);

impl Manager {
    /// Removes what creations that were cut short have left behind. What can't be removed now stays for the next
    /// time, and does not keep anybody from working.
    pub async fn recover_all(&self) {
        let stale = match self.store.stale_pending() {
            Ok(stale) => stale,
            Err(error) => return self.notes.say(&format!("Warning: {error}")),
        };
        for pending in stale {
            let Reservation { name, workspace_id, .. } = pending.reservation().clone();
            self.notes.say(&match self.recover(pending).await {
                Ok(()) => format!("Removed what was left of workspace {name}, whose creation was cut short"),
                Err(error) => format!(
                    "Warning: failed to remove what is left of workspace {name}: {error}\n\
                     'kdn remove --force {}' forgets it, whatever its runtime still holds",
                    id::short(&workspace_id)
                ),
            });
        }
    }

    /// Removes what is left of one creation.
    pub(super) async fn recover(&self, pending: Pending) -> Result<(), CommandError> {
        self.clean_up(&pending).await?;
        Ok(pending.abandon()?)
    }

    /// Removes what is left of the creation that a user means, and forgets it also where that fails. Its id; `None`
    /// when a workspace is meant, or nothing at all.
    pub async fn forget_pending(&self, wanted: &str) -> Result<Option<String>, CommandError> {
        if !matches!(find(&self.store.read()?, wanted), Err(Error::NotFound(_))) {
            return Ok(None);
        }
        let mut stale = self.store.stale_pending()?;
        let Ok(found) = find(&stale, wanted) else { return Ok(None) };
        let Reservation { workspace_id, name, runtime, .. } = found.reservation().clone();
        if let Err(error) = self.clean_up(found).await {
            if self.host.interrupts.count() > 0 || error.is_temporary() {
                return Err(error);
            }
            self.notes.say(&format!(
                "Warning: {error}\nWorkspace {name} was forgotten; an instance of it may be left behind at runtime \
                 {runtime:?}"
            ));
        }
        stale.retain(|pending| pending.reservation().workspace_id == workspace_id);
        stale.into_iter().try_for_each(Pending::abandon)?;
        Ok(Some(workspace_id))
    }

    async fn clean_up(&self, pending: &Pending) -> Result<(), CommandError> {
        let driver = self.catalog.find(&pending.reservation().runtime)?;
        let session = self.open(&driver).await?;
        let removed = remove_instances(&session, &pending.reservation().workspace_id).await;
        self.close(session).await;
        removed
    }
}

/// Removes what a driver has of a workspace.
pub(super) async fn remove_instances(session: &Session, workspace_id: &str) -> Result<(), CommandError> {
    let wanted = ListParams::workspaces(vec![workspace_id.to_owned()]);
    let found = list(session, wanted, Deadline::of(List::NAME)).await?;
    for instance in found.into_iter().filter(|instance| instance.workspace_id == workspace_id) {
        if !Instance::is_valid_id(&instance.id) {
            let driver = &session.manifest().r#type;
            return Err(at_fault(
                driver,
                format!("runtime {driver:?} listed an invalid instance id: {:?}", instance.id),
            ));
        }
        if instance.state != State::Stopped {
            // A half-made instance may well refuse to stop; `remove` has the last word.
            let _ = stop_instance(session, &instance.id, &mut ignore_events).await;
        }
        let give_up = Instant::now() + BUSY;
        loop {
            match session.call::<Remove>(&RemoveParams::new(&instance.id), &mut ignore_events).await {
                Err(error)
                    if error.refusal().is_some_and(|e| e.kind() == ErrorKind::Busy)
                        && Instant::now() < give_up =>
                {
                    sleep(Duration::from_millis(200)).await;
                }
                result => break result,
            }
        }?;
    }
    Ok(())
}
