//! The network policy of a start: before anything runs inside, the container is cut off from its network, or not.

use kdn_protocol::driver::Context;
use kdn_protocol::{Network, NetworkMode};

use super::Instances;
use crate::engine::{Container, Status};
use crate::error::{Error, ErrorKind, Result};

/// How often a container is made ready that podman takes apart again.
const ATTEMPTS: u32 = 3;

/// Refuses what can't be enforced.
pub(super) fn check(network: &Network, has_ports: bool) -> Result<()> {
    if network.mode == NetworkMode::Deny && has_ports {
        let message = "network mode \"deny\" together with ports is not supported";
        return Err(Error::unsupported(message)
            .field("network.mode")
            .hint("leave out the ports, or the network policy"));
    }
    Ok(())
}

impl Instances {
    /// Starts a stopped container, under a policy.
    pub(super) async fn start_under(
        &self,
        container: &Container,
        network: &Network,
        context: &Context,
    ) -> Result<()> {
        let (engine, id, deny) = (self.engine(), container.id.as_str(), network.mode == NetworkMode::Deny);
        let doing = "failed to start the container";
        if container.status == Status::Initialized {
            // By a start that was cut short, perhaps under another policy.
            engine.change(doing, ["container", "cleanup", id]).await?;
        }
        if !engine.cuts_off() {
            self.connect(container, deny).await?;
        } else if deny {
            return self.start_cut_off(id, context).await;
        }
        engine.launch(doing, ["start", id], &[&["stop", "--time", "0", id]], context).await.map(drop)
    }

    /// Starts a container that is cut off from its network before.
    ///
    /// Podman cleans up behind the run before, and may do so late: what was made ready is gone then, and a start makes it
    /// ready anew, with a network. Up to the answer to this start, only what keeps the container running is in it.
    async fn start_cut_off(&self, id: &str, context: &Context) -> Result<()> {
        let (engine, doing) = (self.engine(), "failed to start the container");
        let (stop, clean_up) = (["stop", "--time", "0", id], ["container", "cleanup", id]);
        let mut attempt = 0;
        let cut_off = loop {
            attempt += 1;
            engine.launch(doing, ["init", id], &[&clean_up], context).await?;
            match self.cut_off(id, "").await.and_then(|namespace| context.check().map(|()| namespace)) {
                Ok(namespace) => break namespace,
                Err(error) => {
                    engine.change(doing, clean_up).await?;
                    if error.kind() == ErrorKind::Cancelled || attempt == ATTEMPTS {
                        return Err(error);
                    }
                }
            }
        };
        let mut started = engine.launch(doing, ["start", id], &[&stop, &clean_up], context).await.map(drop);
        if started.is_ok() {
            started = self.cut_off(id, &cut_off).await.map(drop);
            if started.is_err() {
                engine.change(doing, stop).await?;
            }
        }
        if started.as_ref().is_err_and(|error| error.kind() != ErrorKind::Cancelled) {
            engine.change(doing, clean_up).await?;
        }
        started
    }

    /// Cuts off the network namespace of a container, unless it is this one. Returns it.
    async fn cut_off(&self, id: &str, done: &str) -> Result<String> {
        let namespace = self.engine().namespace(id).await?;
        if namespace != done {
            self.engine().cut_off(&namespace).await?;
        }
        Ok(namespace)
    }

    /// Takes a stopped container off all networks, or puts it back on one.
    async fn connect(&self, container: &Container, deny: bool) -> Result<()> {
        let id = container.id.as_str();
        if deny {
            for name in &container.networks {
                self.engine()
                    .change("failed to deny the network", ["network", "disconnect", name, id])
                    .await?;
            }
        } else if container.networks.is_empty() {
            let args = ["network", "connect", self.engine().table().network, id];
            self.engine().change("failed to allow the network", args).await?;
        }
        Ok(())
    }
}
