//! Removes an instance. Its image stays, since others may be made of it.

use std::fs;
use std::path::{Component, Path};

use kdn_protocol::driver::Context;

use super::explain::is_gone;
use super::{Found, Instances, WORKSPACE};
use crate::engine::Status;
use crate::error::{Error, ErrorKind, Result};

impl Instances {
    /// Removes a stopped instance; an unknown one is removed already.
    pub async fn remove(&self, id: &str, context: &Context) -> Result<()> {
        let lock = match self.lock_instance(id).await {
            Err(error) if error.kind() == ErrorKind::InstanceNotFound => return Ok(()),
            lock => lock?,
        };
        self.under(&lock).remove_locked(id, context).await
    }

    async fn remove_locked(&self, id: &str, context: &Context) -> Result<()> {
        context.steps().start("Checking container state", "Container state checked");
        let found = match self.find(id).await {
            Err(error) if error.kind() == ErrorKind::InstanceNotFound => {
                self.forget_pod(id);
                self.forget(id);
                return Ok(());
            }
            found => found?,
        };
        let container = found.container();
        if container.status == Status::Running {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!("container {id} is still running, stop it first"),
            )
            .hint("stop it: kdn stop"));
        }
        let workspace = container.labels.get(WORKSPACE).map_or("", String::as_str);
        // Whoever makes it may not be done.
        let _made = match found {
            Found::Unfinished(_) if !workspace.is_empty() => Some(self.lock(workspace).await?),
            _ => None,
        };
        context.steps().start(format!("Removing container: {}", container.name), "Container removed");
        if let (Found::Foreign(_), Some(pod)) = (&found, &container.pod) {
            self.engine().change("failed to remove the pod", ["pod", "rm", "--force", pod]).await?;
            self.forget_pod(id);
        } else {
            self.delete(&container.id).await?;
            self.forget(id);
        }
        Ok(())
    }

    /// Removes a container, whatever state it is in, unless it is gone.
    pub(super) async fn delete(&self, container: &str) -> Result<()> {
        let removed = self
            .engine()
            .change("failed to remove the container", ["rm", "--force", "--volumes", container])
            .await;
        match removed {
            Err(error) if is_gone(&error) => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// Removes what another program kept about a pod in this storage folder, credentials among it.
    fn forget_pod(&self, id: &str) {
        let folder = self.storage.join("pods").join(id);
        let name = fs::read_to_string(folder.join("podname")).unwrap_or_default();
        let mut parts = Path::new(name.trim()).components();
        if let (Some(Component::Normal(pod)), None) = (parts.next(), parts.next()) {
            for kept in ["approval-handler", "certs", "credentials"] {
                let _ = fs::remove_dir_all(self.storage.join(kept).join(pod));
            }
        }
        let _ = fs::remove_dir_all(folder);
    }
}
