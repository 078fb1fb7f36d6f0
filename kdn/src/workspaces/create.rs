//! Making a workspace: reserved first, then created, then on the list; or nothing at all.

use std::path::PathBuf;

use jiff::Timestamp;
use kdn_protocol::{
    State, Workspace,
    host::{HostError, Observer, Session},
    method::Create,
};
use serde_json::Map;

use super::{
    Manager, Paths, Pending, Record, Runtime,
    manager::{checked, failed, unfit},
    name, reach,
    recover::remove_instances,
    secrets,
};
use crate::{output::CommandError, runtimes::at_fault};

/// What is said to have failed when nothing was made.
pub const CREATE: &str = "failed to create runtime instance";

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

/// Why nothing was made.
struct Failure {
    error: CommandError,
    /// The reservation, when the driver may have left something behind.
    left: Option<Box<Pending>>,
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self { error, left: None }
    }
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
        // Before anything is cleaned up: a driver that gave no answer may still be at it.
        self.close(session).await;
        match made {
            Ok(record) => Ok(record),
            Err(Failure { error, left: None }) => Err(error),
            Err(Failure { error, left: Some(pending) }) => {
                let undone = if self.host.interrupts.count() > 1 {
                    Err(CommandError::new("its driver was ended"))
                } else {
                    self.in_spite_of_interrupts().recover(*pending).await
                };
                Err(with_leftovers(error, undone))
            }
        }
    }

    async fn create_in(
        &self,
        session: &Session,
        new: New,
        observer: Observer<'_>,
    ) -> Result<Record, Failure> {
        let driver = session.manifest().r#type.clone();
        let New { mut workspace, configuration, start } = new;
        workspace.name = name::clean(&workspace.name);
        let capabilities = &session.manifest().capabilities;
        workspace.network = reach::with_model(workspace.network, workspace.model.as_deref(), capabilities);
        check(&workspace, session)?;
        let secrets = secrets::needed(&workspace, &session.manifest().capabilities);
        let values = if start { self.secret_values(&secrets).await? } else { self.find_secrets(&secrets)? };

        let pending = self.store.reserve(&workspace.name, &workspace.workspace_id, &driver);
        let pending = pending.map_err(CommandError::from)?;
        workspace.name.clone_from(&pending.reservation().name);
        let network = workspace.network.clone();
        let mut record = record_of(&workspace, &driver, configuration);
        record.secrets = secrets;
        let instance = match session.call::<Create>(&workspace, observer).await {
            Ok(instance) => instance,
            Err(error) => return Err(self.failed_create(pending, error)),
        };
        let instance = if self.host.interrupts.count() > 0 {
            // The cancellation came too late; the user still does not want it.
            Err(CommandError::interrupted())
        } else if instance.workspace_id != workspace.workspace_id || instance.name != workspace.name {
            Err(at_fault(
                &driver,
                format!("{CREATE}: runtime {driver:?} returned an instance of another workspace"),
            ))
        } else {
            checked(&driver, instance)
        };
        match instance {
            Ok(instance) => record.update(instance),
            Err(error) => return Err(undo(session, pending, error).await.into()),
        }
        let _lock = pending.commit(record.clone()).map_err(CommandError::from)?;
        if start {
            let started = self.start_in(session, &mut record, network, values, observer).await;
            started.map_err(|error| {
                let name = &record.name;
                error.with_hint(format!(
                    "The workspace {name} was made; 'kdn start {name}' tries again to start it"
                ))
            })?;
        }
        Ok(record)
    }

    /// A driver that answers with an error has left nothing; of one that did not answer, nothing is known.
    fn failed_create(&self, pending: Pending, error: HostError) -> Failure {
        let answered = error.refusal().is_some();
        let error = failed(&self.host, CREATE, error);
        if !answered {
            return Failure { error, left: Some(Box::new(pending)) };
        }
        with_leftovers(error, pending.abandon().map_err(CommandError::from)).into()
    }
}

/// Refuses what the driver would have to refuse.
fn check(workspace: &Workspace, session: &Session) -> Result<(), CommandError> {
    let capabilities = &session.manifest().capabilities;
    let needs = workspace.validate().and_then(|()| workspace.check_needs(capabilities));
    needs.map_err(|error| unfit(CREATE, &session.manifest().r#type, error))
}

/// Removes what was made. Not by the id that the driver gave, which may be that of another workspace.
async fn undo(session: &Session, pending: Pending, error: CommandError) -> CommandError {
    session.acknowledge_interrupts();
    let undone = match remove_instances(session, &pending.reservation().workspace_id).await {
        Ok(()) => pending.abandon().map_err(CommandError::from),
        Err(error) => Err(error),
    };
    with_leftovers(error, undone)
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
        secrets: Vec::new(),
        created_at: Timestamp::now(),
        started_at: None,
        unknown: Map::new(),
    }
}
