//! Stops an instance, and does not return before every process of it has gone.

use kdn_protocol::driver::Context;
use kdn_protocol::{Instance, StopParams};

use super::explain::is_gone;
use super::{Found, Instances, instance};
use crate::engine::Status;
use crate::error::{Error, Result};

/// What keeps a container running: it asks all processes to end when it is asked to, and waits until they have. Interactive
/// shells end by SIGHUP alone.
pub(super) const KEEPER: &str = "\
trap 'trap : TERM; kill -s TERM -- -1; kill -s HUP -- -1; wait; while kill -s 0 -- -1; do sleep 0.1; done; exit 0' TERM
exec 2>/dev/null
while :; do sleep 86400 & wait; done";

impl Instances {
    /// Stops an instance; one that is stopped stays as it is.
    pub async fn stop(&self, params: &StopParams, context: &Context) -> Result<Instance> {
        let lock = self.lock_instance(&params.id).await?;
        self.under(&lock).stop_locked(params, context).await
    }

    async fn stop_locked(&self, params: &StopParams, context: &Context) -> Result<Instance> {
        let grace = params.grace_seconds.to_string();
        if let Some((facts, stopped)) = self.recall(&params.id, Status::Stopped(None)) {
            context.steps().start(format!("Stopping container: {}", facts.container), "Container stopped");
            let args = ["stop", "--time", &grace, &facts.container];
            if self.engine().change("failed to stop the container", args).await.is_ok() {
                return Ok(stopped);
            }
        }
        let found = self.find(&params.id).await?;
        let container = found.container().clone();
        let is_pod = matches!(found, Found::Foreign(_)) && container.pod.is_some();
        if container.status == Status::Initialized {
            // A start that was cut short has left a process.
            let args = ["container", "cleanup", &container.id];
            self.engine().change("failed to stop the container", args).await?;
        }
        // The other containers of a pod may run.
        if !is_pod && ![Status::Running, Status::Paused].contains(&container.status) {
            return self.info(&params.id).await;
        }
        if container.status == Status::Paused && matches!(found, Found::Ours { .. }) {
            self.engine().change("failed to resume the container", ["unpause", &container.id]).await?;
        }
        context.steps().start(format!("Stopping container: {}", container.name), "Container stopped");
        let args: Vec<&str> = match (&found, &container.pod) {
            (Found::Foreign(_), Some(pod)) => vec!["pod", "stop", "--time", &grace, pod],
            _ => vec!["stop", "--time", &grace, &container.id],
        };
        self.engine().change("failed to stop the container", args).await.map_err(|error| {
            if is_gone(&error) { Error::instance_not_found(&container.id) } else { error }
        })?;
        match found {
            Found::Ours { mut container, facts } => {
                container.status = Status::Stopped(None);
                Ok(instance(&container, &facts))
            }
            _ => self.info(&params.id).await,
        }
    }
}
