//! The network policy of a start: before anything runs inside, the container is cut off from its network, or not.

use kdn_protocol::driver::Context;
use kdn_protocol::{Network, NetworkMode};

use super::Instances;
use crate::engine::{Container, Status};
use crate::error::{Error, ErrorKind, Result};

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
            let clean_up = ["container", "cleanup", id];
            engine.launch(doing, ["init", id], &[&clean_up], context).await?;
            if let Err(error) = engine.cut_off(id).await.and_then(|()| context.check()) {
                engine.change(doing, clean_up).await?;
                return Err(error);
            }
            let stop = ["stop", "--time", "0", id];
            let started = engine.launch(doing, ["start", id], &[&stop, &clean_up], context).await;
            if started.as_ref().is_err_and(|error| error.kind() != ErrorKind::Cancelled) {
                let _ = engine.change(doing, clean_up).await;
            }
            return started.map(drop);
        }
        engine.launch(doing, ["start", id], &[&["stop", "--time", "0", id]], context).await.map(drop)
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
