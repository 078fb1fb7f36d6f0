//! Making a workspace: reserved first, then created, then on the list; or nothing at all.

use std::path::PathBuf;

use jiff::Timestamp;
use kdn_protocol::{
    ErrorKind, Instance, RemoveParams, State, Workspace,
    host::{HostError, Observer, Session, ignore_events},
    method::{Create, Remove},
};
use serde_json::Map;

use super::{
    Manager, Paths, Pending, Record, Runtime,
    manager::{checked, close, failed},
};
use crate::output::CommandError;

/// A workspace to be made.
#[derive(Debug)]
pub struct New {
    /// The request to the driver. Its name is the wanted one; the real one is made unique.
    pub workspace: Workspace,
    /// The folder of its configuration.
    pub configuration: PathBuf,
    /// Whether to start it too.
    pub start: bool,
}

impl Manager {
    /// Makes a workspace in a session with its driver, and starts it if that is wanted.
    pub async fn create(
        &self,
        session: Session,
        new: New,
        observer: Observer<'_>,
    ) -> Result<Record, CommandError> {
        let made = self.create_in(&session, new, observer).await;
        close(session).await;
        made
    }

    async fn create_in(
        &self,
        session: &Session,
        new: New,
        observer: Observer<'_>,
    ) -> Result<Record, CommandError> {
        let driver = session.manifest().r#type.clone();
        let New { mut workspace, configuration, start } = new;
        let needs =
            workspace.validate().and_then(|()| workspace.check_needs(&session.manifest().capabilities));
        needs.map_err(|error| {
            let mut refusal = CommandError::new(format!("runtime {driver:?}: {error}"));
            if error.kind() == ErrorKind::Unsupported {
                let field = error.data.field_path.unwrap_or_default();
                refusal = refusal
                    .with_hint(format!("Remove {field} from the configuration, or use another runtime"));
            }
            refusal.context("failed to create runtime instance")
        })?;

        let pending = self.store.reserve(&workspace.name, &workspace.workspace_id, &driver)?;
        workspace.name.clone_from(&pending.reservation().name);
        let network = workspace.network.clone();
        let mut record = record_of(&workspace, &driver, configuration);
        let instance = match session.call::<Create>(&workspace, observer).await {
            Ok(instance) => instance,
            Err(error) => return Err(self.undo_failed(pending, error).await),
        };
        if self.host.interrupts.count() > 0 {
            // The cancellation came too late; the user still does not want it.
            return Err(self.undo_created(session, pending, &instance, CommandError::interrupted()).await);
        }
        let instance = match checked(&driver, instance.clone()) {
            Ok(instance) if instance.workspace_id == workspace.workspace_id => instance,
            Ok(_) => {
                let error = CommandError::new(format!(
                    "runtime {driver:?} returned an instance of another workspace"
                ));
                return Err(self.undo_created(session, pending, &instance, error).await);
            }
            Err(error) => return Err(self.undo_created(session, pending, &instance, error).await),
        };
        record.update(instance);
        let _lock = pending.commit(record.clone())?;
        if start {
            self.start_in(session, &mut record, network, observer).await?;
        }
        Ok(record)
    }

    /// A driver that answers with an error has left nothing; of one that did not answer, nothing is known.
    async fn undo_failed(&self, pending: Pending, error: HostError) -> CommandError {
        let answered = error.refusal().is_some();
        let error = failed(&self.host, "failed to create runtime instance", error);
        let undone = if answered {
            pending.abandon().map_err(CommandError::from)
        } else {
            self.recover(pending).await
        };
        with_leftovers(error, undone)
    }

    async fn undo_created(
        &self,
        session: &Session,
        pending: Pending,
        instance: &Instance,
        error: CommandError,
    ) -> CommandError {
        let removed = session.call::<Remove>(&RemoveParams::new(&instance.id), &mut ignore_events).await;
        let undone = match removed {
            Ok(_) => pending.abandon().map_err(CommandError::from),
            Err(error) => Err(error.into()),
        };
        with_leftovers(error, undone)
    }
}

fn with_leftovers(error: CommandError, undone: Result<(), CommandError>) -> CommandError {
    match undone {
        Ok(()) => error,
        Err(leftover) => error.with_hint(format!(
            "What was created so far could not be removed yet ({leftover}); the next command that changes something \
             tries again"
        )),
    }
}

fn record_of(workspace: &Workspace, driver: &str, configuration: PathBuf) -> Record {
    Record {
        id: workspace.workspace_id.clone(),
        name: workspace.name.clone(),
        paths: Paths { source: workspace.source_path.clone(), configuration, unknown: Map::new() },
        runtime: Runtime {
            kind: driver.to_owned(),
            instance_id: String::new(),
            state: State::Unknown,
            info: None,
            unknown: Map::new(),
        },
        project: workspace.project_id.clone(),
        agent: workspace.agent.name.clone(),
        model: workspace.model.clone(),
        created_at: Timestamp::now(),
        started_at: None,
        unknown: Map::new(),
    }
}
