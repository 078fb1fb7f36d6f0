//! The network policy of a start: the container is on its network, or on none.

use kdn_protocol::{Network, NetworkMode};

use super::Instances;
use crate::engine::Container;
use crate::error::{Error, Result};

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
    /// Puts a stopped container on the networks that a policy allows.
    pub(super) async fn connect(&self, container: &Container, network: &Network) -> Result<()> {
        let id = container.id.as_str();
        if network.mode == NetworkMode::Deny {
            for name in &container.networks {
                let args = ["network", "disconnect", name, id];
                self.engine().change("failed to deny the network", args).await?;
            }
        } else if container.networks.is_empty() {
            let args = ["network", "connect", self.engine().table().network, id];
            self.engine().change("failed to allow the network", args).await?;
        }
        Ok(())
    }
}
