//! What a workspace has to reach, whatever its network policy says.

use kdn_protocol::{Capabilities, Network, NetworkMode};

use crate::{
    config::{
        host,
        localhost::{Url, is_local},
    },
    model::ModelId,
};

/// The policy with the host of the model's URL let through, where the driver can let hosts through.
///
/// Not this machine: whether that is reached is the driver's to say.
pub(super) fn with_model(mut network: Network, model: Option<&str>, capabilities: &Capabilities) -> Network {
    let url = model.and_then(|id| ModelId::parse(id).base_url).filter(|url| !is_local(url));
    let can_let_through = capabilities.network_policy.as_ref().is_some_and(|policy| policy.hosts);
    if let Some(host) = url.and_then(Url::split).and_then(|url| host::normalize(url.host))
        && network.mode == NetworkMode::Deny
        && can_let_through
        && !network.hosts.contains(&host)
    {
        network.hosts.push(host);
    }
    network
}

#[cfg(test)]
mod tests {
    use kdn_protocol::NetworkPolicyCapability;

    use super::*;

    #[test]
    fn only_a_host_elsewhere_is_let_through() {
        let hosts = |network, model, hosts| {
            let mut capabilities = Capabilities::default();
            capabilities.network_policy = Some(NetworkPolicyCapability::new([NetworkMode::Deny], hosts));
            with_model(network, Some(model), &capabilities).hosts
        };
        let deny = || Network::deny(vec!["a.example".to_owned()]);
        assert_eq!(hosts(deny(), "p::m::https://B.example:8/v1", true), ["a.example", "b.example"]);
        assert_eq!(hosts(deny(), "p::m::https://a.example/v1", true), ["a.example"]);
        assert_eq!(hosts(deny(), "p::m::http://localhost:1", true), ["a.example"]);
        assert_eq!(hosts(deny(), "p::m", true), ["a.example"]);
        assert_eq!(hosts(deny(), "p::m::https://b.example", false), ["a.example"]);
        assert!(hosts(Network::allow(), "p::m::https://b.example", true).is_empty());
    }
}
