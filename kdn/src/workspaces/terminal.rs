//! The way into a running workspace.

use std::path::PathBuf;

use kdn_protocol::{
    ErrorKind, Plan, State, TerminalParams,
    host::{HostError, Observer, Session, ignore_events},
    method::Terminal,
};

use super::{
    Manager, Record,
    manager::{Owned, failed},
    plan,
};
use crate::{agents, output::CommandError};

/// A process that leads into a workspace.
#[derive(Debug)]
pub struct Entry {
    /// The absolute path of its executable.
    pub program: PathBuf,
    /// Its arguments, its changes to the environment, and its folder.
    pub plan: Plan,
}

impl Manager {
    /// Prepares a command in a workspace, which is started if it does not run. Without a command it is the agent.
    pub async fn enter(
        &self,
        wanted: &str,
        command: Vec<String>,
        tty: bool,
        observer: Observer<'_>,
    ) -> Result<Entry, CommandError> {
        let record = self.find(wanted)?;
        let session = self.session(&record).await?;
        let entry = self.enter_in(&session, record, command, tty, observer).await;
        self.close(session).await;
        entry
    }

    async fn enter_in(
        &self,
        session: &Session,
        record: Record,
        command: Vec<String>,
        tty: bool,
        observer: Observer<'_>,
    ) -> Result<Entry, CommandError> {
        if session.manifest().capabilities.terminal.is_none() {
            let kind = &record.runtime.kind;
            return Err(CommandError::new(format!("runtime {kind} does not support terminal sessions")));
        }
        let command = if command.is_empty() { agents::command(&record.agent) } else { command };
        let params = TerminalParams::new(&record.runtime.instance_id, command, tty);
        let mut plan = session.call::<Terminal>(&params, &mut ignore_events).await;
        // A driver knows best whether the instance runs, so it is asked only when it refuses.
        if plan.as_ref().is_err_and(may_not_run) && !self.runs(session, &record).await? {
            let Owned { mut record, lock: _lock } = self.own(&record.id).await?;
            record.started_at = None;
            let network = self.network_policy(&record)?;
            let started = async {
                let secrets = self.secret_values(&record.secrets).await?;
                self.start_in(session, &mut record, network, secrets, observer).await
            };
            started.await.map_err(|error| error.context("failed to auto-start instance"))?;
            plan = session.call::<Terminal>(&params, &mut ignore_events).await;
        }
        let plan = plan.map_err(|error| failed(&self.host, "failed to open a terminal", error))?;
        let program = plan::program(&record.runtime.kind, session.path(), &plan)?;
        Ok(Entry { program, plan })
    }

    async fn runs(&self, session: &Session, record: &Record) -> Result<bool, CommandError> {
        let instance = self.inspect(session, record).await?;
        Ok(instance.is_some_and(|instance| instance.state == State::Running))
    }
}

fn may_not_run(error: &HostError) -> bool {
    let kind = error.refusal().map(kdn_protocol::Error::kind);
    matches!(kind, Some(ErrorKind::InvalidState | ErrorKind::InstanceNotFound))
}
