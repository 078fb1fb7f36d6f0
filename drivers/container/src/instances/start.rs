//! Starts an instance.

use kdn_protocol::driver::Context;
use kdn_protocol::{Instance, NetworkMode, StartParams};

use super::{Found, Instances, instance, network, points};
use crate::engine::Status;
use crate::error::{Error, ErrorKind, Result};

impl Instances {
    /// Starts an instance; one that runs stays as it is.
    pub async fn start(&self, params: &StartParams, context: &Context) -> Result<Instance> {
        let lock = self.lock_instance(&params.id).await?;
        self.under(&lock).start_locked(params, context).await
    }

    async fn start_locked(&self, params: &StartParams, context: &Context) -> Result<Instance> {
        if let Some(started) = self.start_known(params, context).await? {
            return Ok(started);
        }
        // A stale answer does no harm where the container is cut off only once it is ready.
        let found = match self.just_seen(&params.id).filter(|_| self.engine().cuts_off()) {
            Some(found) => found,
            None => self.find(&params.id).await?,
        };
        let (mut container, facts) = match found {
            Found::Ours { container, facts } => (container, facts),
            Found::Unfinished(_) => {
                return Err(Error::new(
                    ErrorKind::InvalidState,
                    "the creation of this workspace was cut short",
                )
                .hint("remove it, and make it anew"));
            }
            Found::Foreign(container) if container.status == Status::Running => {
                return self.info(&params.id).await;
            }
            Found::Foreign(_) => {
                return Err(Error::new(
                    ErrorKind::InvalidState,
                    "this workspace was made by an older kdn, in a pod",
                )
                .hint("make it anew: kdn remove, then kdn init; the project folder stays as it is"));
            }
        };
        if container.status == Status::Running {
            return Ok(instance(&container, &facts));
        }
        network::check(&params.network, !facts.forwards.is_empty())?;
        context.steps().start(format!("Starting container: {}", container.name), "Container started");
        if container.status == Status::Paused {
            // It takes no other network while it is paused.
            self.engine().change("failed to resume the container", ["unpause", &container.id]).await?;
            self.engine()
                .change("failed to stop the container", ["stop", "--time", "0", &container.id])
                .await?;
        }
        points::make(&facts.points);
        // While it is cut off and not started, nobody may take it for one that only has to be started.
        self.forget(&params.id);
        let started = self.start_under(&container, &params.network, context).await;
        started.map_err(|error| self.explain_start(error, &container.id, &facts))?;
        container.status = Status::Running;
        // If it can't be written down, the next start asks.
        let _ = self.learn(&container, &facts);
        Ok(instance(&container, &facts))
    }

    /// Starts what is known without asking about it first, where the name alone is right or wrong. `None`: it has to be asked.
    async fn start_known(&self, params: &StartParams, context: &Context) -> Result<Option<Instance>> {
        if params.network.mode != NetworkMode::Allow || !self.engine().cuts_off() {
            return Ok(None);
        }
        let Some((facts, started)) = self.recall(&params.id, Status::Running) else { return Ok(None) };
        context.steps().start(format!("Starting container: {}", facts.container), "Container started");
        points::make(&facts.points);
        let stop = ["stop", "--time", "0", &facts.container];
        let doing = "failed to start the container";
        match self.engine().launch(doing, ["start", &facts.container], &[&stop], context).await {
            Ok(_) => Ok(Some(started)),
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            Err(_) => Ok(None),
        }
    }
}
