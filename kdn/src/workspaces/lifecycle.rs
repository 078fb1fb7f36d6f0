//! Starting, stopping and removing a workspace, each under its lock.

use std::time::Duration;

use jiff::Timestamp;
use kdn_protocol::{
    ErrorKind, InfoParams, Instance, Method, Network, RemoveParams, StartParams, State, StopParams,
    host::{Deadline, HostError, Observer, Session, ignore_events},
    method::{Info, Remove, Start, Stop},
};

use super::{
    Manager, Record, Runtime, WorkspaceLock,
    manager::{Owned, belongs, changed, checked, failed, unfit},
    reach,
    secrets::Values,
};
use crate::{
    config::{expand, levels},
    output::CommandError,
};

/// Asks for the stop of an instance. The time that its processes get is no time that the driver needs.
pub(super) async fn stop_instance(
    session: &Session,
    id: &str,
    observer: Observer<'_>,
) -> Result<Instance, HostError> {
    let params = StopParams::new(id);
    let grace = Duration::from_secs(params.grace_seconds.into());
    session.call_within::<Stop>(&params, Deadline::of(Stop::NAME).plus(grace), observer).await
}

impl Manager {
    /// Starts a workspace; one that runs goes on running.
    pub async fn start(&self, wanted: &str, observer: Observer<'_>) -> Result<Record, CommandError> {
        let Owned { mut record, lock } = self.own(wanted).await?;
        let session = self.session(&record).await?;
        let started = async {
            let network = self.network_policy(&record)?;
            let secrets = self.secret_values(&record.secrets).await?;
            // Since when it runs is kept if it still does; the driver is asked only where there is something to keep.
            if record.started_at.is_some() {
                let instance = self.inspect(&session, &record).await?;
                if instance.is_none_or(|instance| instance.state != State::Running) {
                    record.started_at = None;
                }
            }
            self.start_in(&session, &mut record, network, secrets, observer).await
        }
        .await;
        self.close(session).await;
        drop(lock);
        started.map(|()| record)
    }

    /// Starts an instance. `record.started_at` is since when it runs, if it does.
    pub(super) async fn start_in(
        &self,
        session: &Session,
        record: &mut Record,
        network: Network,
        secrets: Values,
        observer: Observer<'_>,
    ) -> Result<(), CommandError> {
        let doing = "failed to start runtime instance";
        let capabilities = &session.manifest().capabilities;
        let network = reach::with_model(network, record.model.as_deref(), capabilities);
        let fits = network.check_needs(capabilities);
        fits.map_err(|error| unfit(doing, &record.runtime.kind, error))?;
        let mut params = StartParams::new(&record.runtime.instance_id, network);
        params.secret_values = secrets;
        let answer = session.call::<Start>(&params, observer).await;
        let instance = answer.map_err(|error| failed(&self.host, doing, error))?;
        record.update(changed(record, doing, &State::Running, instance)?);
        record.started_at.get_or_insert_with(Timestamp::now);
        Ok(self.save(record)?)
    }

    /// Stops a workspace; one that is stopped stays so.
    pub async fn stop(&self, wanted: &str, observer: Observer<'_>) -> Result<Record, CommandError> {
        let Owned { mut record, lock } = self.own(wanted).await?;
        let session = self.session(&record).await?;
        let stopped = self.stop_in(&session, &mut record, observer).await;
        self.close(session).await;
        drop(lock);
        stopped.map(|()| record)
    }

    async fn stop_in(
        &self,
        session: &Session,
        record: &mut Record,
        observer: Observer<'_>,
    ) -> Result<(), CommandError> {
        let doing = "failed to stop runtime instance";
        match stop_instance(session, &record.runtime.instance_id, observer).await {
            Ok(instance) => record.update(changed(record, doing, &State::Stopped, instance)?),
            // What is gone does not run.
            Err(error) if error.refusal().is_some_and(|e| e.kind() == ErrorKind::InstanceNotFound) => {
                record.runtime.state = State::Stopped;
            }
            Err(error) => return Err(failed(&self.host, doing, error)),
        }
        record.started_at = None;
        Ok(self.save(record)?)
    }

    /// Removes a workspace and its instance. With `force`, one that runs is stopped first, and one that its driver
    /// can't remove, be it gone or broken, is forgotten.
    pub async fn remove(
        &self,
        wanted: &str,
        force: bool,
        observer: Observer<'_>,
    ) -> Result<Record, CommandError> {
        let Owned { mut record, lock } = self.own(wanted).await?;
        let removed = match self.session(&record).await {
            Ok(session) => {
                let removed = self.remove_in(&session, &mut record, force, observer).await;
                self.close(session).await;
                removed
            }
            Err(error) => Err(error),
        };
        match removed {
            Ok(true) => {}
            Ok(false) => return Err(CommandError::new("workspace is running; stop it first or use --force")),
            Err(error) if self.host.interrupts.count() > 0 || error.is_temporary() => return Err(error),
            Err(error) if force => {
                let Runtime { kind, instance_id: id, .. } = &record.runtime;
                let left = if id.is_empty() {
                    String::new()
                } else {
                    format!("; instance {id} of runtime {kind:?} may be left behind")
                };
                self.notes.say(&format!("Warning: {error}\nThe workspace was forgotten{left}"));
            }
            Err(error) => {
                return Err(
                    error.with_hint("Use --force to forget the workspace, whatever its runtime still holds")
                );
            }
        }
        self.forget(&record, lock)?;
        Ok(record)
    }

    /// Removes an instance; says whether it did. It does not when the instance runs and nobody forces it.
    async fn remove_in(
        &self,
        session: &Session,
        record: &mut Record,
        force: bool,
        observer: Observer<'_>,
    ) -> Result<bool, CommandError> {
        let doing = "failed to remove runtime instance";
        let Some(instance) = self.inspect(session, record).await? else { return Ok(true) };
        if instance.state == State::Running {
            if !force {
                return Ok(false);
            }
            let stopped = self.stop_in(session, record, observer).await;
            stopped.map_err(|error| error.context("failed to stop running workspace"))?;
        }
        let params = RemoveParams::new(&record.runtime.instance_id);
        let removed = session.call::<Remove>(&params, observer).await;
        removed.map(|_| true).map_err(|error| failed(&self.host, doing, error))
    }

    fn forget(&self, record: &Record, lock: WorkspaceLock) -> Result<(), CommandError> {
        self.store.update(|records| {
            records.retain(|other| other.id != record.id);
            Ok(())
        })?;
        Ok(lock.remove()?)
    }

    /// The network policy of a workspace as its configuration has it now.
    pub(super) fn network_policy(&self, record: &Record) -> Result<Network, CommandError> {
        let storage = self.store.storage();
        let loaded = levels::load(&record.paths.configuration, storage, &record.project, &record.agent)?;
        let mut network = expand::network(&loaded.config.network)?;
        self.secrets.allow(&mut network, &loaded.config.secrets)?;
        Ok(network)
    }

    /// The state of a workspace's instance now. `None`: the driver has no such instance any more.
    pub(super) async fn inspect(
        &self,
        session: &Session,
        record: &Record,
    ) -> Result<Option<Instance>, CommandError> {
        let params = InfoParams::new(&record.runtime.instance_id);
        match session.call::<Info>(&params, &mut ignore_events).await {
            Ok(instance) if !belongs(&instance, record) => Ok(None),
            Ok(instance) => Ok(Some(checked(&record.runtime.kind, instance)?)),
            Err(error) if error.refusal().is_some_and(|e| e.kind() == ErrorKind::InstanceNotFound) => {
                Ok(None)
            }
            Err(error) => Err(failed(&self.host, "failed to get runtime info", error)),
        }
    }
}
