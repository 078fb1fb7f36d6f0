//! From a configuration to what a driver is sent: absolute paths, and one clear network policy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use kdn_protocol as protocol;

use super::file::{self, WorkspaceConfig};
use super::host;
use super::paths::{Variable, bound, is_within, join_host, join_inside};
use crate::output::Advice;

/// What the variables in paths stand for.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// `$SOURCES` on the host: the folder that the agent works on; absolute.
    pub host_sources: &'a Path,
    /// `$HOME` on the host, where known; absolute.
    pub host_home: Option<&'a Path>,
    /// `$SOURCES` inside: `workspaceSourcesPath` of the driver's manifest.
    pub inside_sources: &'a str,
    /// `$HOME` inside: `workspaceHome` of the driver's manifest, if it has one.
    pub inside_home: Option<&'a str>,
}

/// The parts of a configuration that go to a driver as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Expanded {
    /// Environment variables.
    pub environment: Vec<protocol::EnvVar>,
    /// Files and folders of the host.
    pub mounts: Vec<protocol::Mount>,
    /// Ports to forward.
    pub ports: Vec<protocol::Port>,
    /// What may be reached.
    pub network: protocol::Network,
    /// Resource limits.
    pub limits: protocol::Limits,
}

/// What cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// A path of the host starts with `$HOME`, and there is none.
    #[error("the home folder that {0:?} starts with is not known")]
    NoHome(String),
    /// A target starts with `$HOME`, and the driver has no such place.
    #[error("mount target {0:?} starts with $HOME, and the runtime has no home of a known path")]
    NoHomeInside(String),
    /// A target is outside the folder that its variable allows.
    #[error("mount target {target:?} escapes above {}", variable.name())]
    Escapes {
        /// The target, as it was written.
        target: String,
        /// Its variable.
        variable: Variable,
    },
    /// A target would hide everything.
    #[error("mount target {0:?} is the root folder of the workspace")]
    Root(String),
    /// A workspace can have one thing at one place.
    #[error("mounts of {} and {} have the same target {target:?}", first.display(), second.display())]
    SameTarget {
        /// What is mounted there.
        first: PathBuf,
        /// What should be mounted there too.
        second: PathBuf,
        /// The target inside.
        target: String,
    },
    /// A network host that no connection can match.
    #[error("network host {0:?} is not a host name or IP address")]
    Host(String),
    /// A number that is no port.
    #[error("port {0} is invalid (must be from 1 to 65535)")]
    Port(i64),
}

impl Advice for ExpandError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoHome(_) => "Set the environment variable HOME",
            Self::NoHomeInside(_) => "Take a runtime that isolates, or an absolute target",
            Self::Escapes { .. } | Self::Root(_) => "Choose a folder of its own for the mount",
            Self::SameTarget { .. } => "Give one of the two mounts another target",
            Self::Host(_) => {
                "Write example.com, *.example.com or an IP address, without scheme, port and path"
            }
            Self::Port(_) => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

type Result<T, E = ExpandError> = std::result::Result<T, E>;

/// Expands a valid configuration for a driver.
pub fn expand(config: &WorkspaceConfig, places: &Places<'_>) -> Result<Expanded> {
    Ok(Expanded {
        environment: config.environment.iter().map(environment).collect(),
        mounts: mounts(&config.mounts, places)?,
        ports: config.ports.iter().map(|&number| port(number)).collect::<Result<_>>()?,
        network: network(&config.network)?,
        limits: limits(&config.limits),
    })
}

/// The policy for the network. Without a mode it is `deny` when hosts are listed, and else `allow`.
pub fn network(network: &file::Network) -> Result<protocol::Network> {
    let file::Network { hosts, mode } = network;
    let allow = match mode.as_deref() {
        Some(mode) => mode == "allow",
        None => hosts.is_empty(),
    };
    // Drivers know no pattern for "every host".
    if allow || hosts.iter().any(|host| host == "*") {
        return Ok(protocol::Network::allow());
    }
    let mut normal: Vec<String> = Vec::with_capacity(hosts.len());
    for host in hosts {
        let host = host::normalize(host).ok_or_else(|| ExpandError::Host(host.clone()))?;
        if !normal.contains(&host) {
            normal.push(host);
        }
    }
    Ok(protocol::Network::deny(normal))
}

impl Places<'_> {
    /// A path of the host: of a mount, or of a folder of skills.
    pub fn host(&self, path: &str) -> Result<PathBuf> {
        Ok(match Variable::split(path) {
            Some((Variable::Sources, rest)) => join_host(self.host_sources, rest),
            Some((Variable::Home, rest)) => {
                let home = self.host_home.ok_or_else(|| ExpandError::NoHome(path.to_owned()))?;
                join_host(home, rest)
            }
            None => join_host(Path::new(path), ""),
        })
    }

    /// A path inside: the target of a mount.
    pub fn inside(&self, target: &str) -> Result<String> {
        let path = match Variable::split(target) {
            Some((variable, rest)) => {
                let place = match variable {
                    Variable::Sources => self.inside_sources,
                    Variable::Home => {
                        self.inside_home.ok_or_else(|| ExpandError::NoHomeInside(target.to_owned()))?
                    }
                };
                let path = join_inside(place, rest);
                if !is_within(&path, &bound(variable, place)) {
                    return Err(ExpandError::Escapes { target: target.to_owned(), variable });
                }
                path
            }
            None => join_inside(target, ""),
        };
        if path == "/" { Err(ExpandError::Root(target.to_owned())) } else { Ok(path) }
    }
}

fn environment(variable: &file::EnvVar) -> protocol::EnvVar {
    let file::EnvVar { name, secret, value } = variable;
    match secret {
        Some(secret) => protocol::EnvVar::secret(name, secret),
        None => protocol::EnvVar::value(name, value.as_deref().unwrap_or_default()),
    }
}

/// Two ways to write one mount make one mount, which is as the later one says.
fn mounts(mounts: &[file::Mount], places: &Places<'_>) -> Result<Vec<protocol::Mount>> {
    let mut expanded: Vec<protocol::Mount> = Vec::with_capacity(mounts.len());
    let mut taken = HashMap::new();
    for file::Mount { host, ro, target } in mounts {
        let mount = protocol::Mount::new(places.host(host)?, places.inside(target)?, ro.unwrap_or_default());
        match taken.get(&mount.target) {
            None => {
                taken.insert(mount.target.clone(), expanded.len());
                expanded.push(mount);
            }
            Some(&i) if expanded[i].host == mount.host => expanded[i] = mount,
            Some(&i) => {
                let first = expanded[i].host.clone();
                return Err(ExpandError::SameTarget { first, second: mount.host, target: mount.target });
            }
        }
    }
    Ok(expanded)
}

fn port(number: i64) -> Result<protocol::Port> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(protocol::Port::new(port)),
        _ => Err(ExpandError::Port(number)),
    }
}

fn limits(limits: &file::Limits) -> protocol::Limits {
    let file::Limits { cpus, memory, pids } = *limits;
    let mut limits = protocol::Limits::default();
    limits.cpus = cpus;
    limits.memory_bytes = memory.map(|memory| memory.0);
    limits.pids = pids;
    limits
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use kdn_protocol::{Agent, EnvVar, Mount, Network, Port, Workspace};
    use serde_json::{Value, json};

    use super::*;

    fn places() -> Places<'static> {
        Places {
            host_sources: Path::new("/src/app"),
            host_home: Some(Path::new("/home/me")),
            inside_sources: "/workspace/sources",
            inside_home: Some("/home/agent"),
        }
    }

    fn expand_json(config: Value) -> Result<Expanded> {
        let config: WorkspaceConfig = serde_json::from_value(config).unwrap();
        config.validate().unwrap();
        expand(&config, &places())
    }

    fn expand_mounts(mounts: &Value) -> Result<Vec<Mount>> {
        expand_json(json!({ "mounts": mounts })).map(|expanded| expanded.mounts)
    }

    #[test]
    fn variables_are_expanded_on_both_sides() {
        let mounts = expand_mounts(&json!([
            {"host": "$SOURCES/../main", "target": "$SOURCES/../main"},
            {"host": "$HOME/.gitconfig", "target": "$HOME/.gitconfig", "ro": true},
            {"host": "/data/./x/..", "target": "/mnt//data/", "ro": false},
            {"host": "$HOMEx", "target": "$SOURCESy"},
        ]));
        assert_eq!(
            mounts.unwrap(),
            [
                Mount::new("/src/main", "/workspace/main", false),
                Mount::new("/home/me/.gitconfig", "/home/agent/.gitconfig", true),
                Mount::new("/data", "/mnt/data", false),
                Mount::new("/home/me/x", "/workspace/sources/y", false),
            ]
        );
    }

    #[test]
    fn a_target_is_used_once() {
        let one = expand_mounts(&json!([
            {"host": "$HOME/x", "target": "$HOME/x", "ro": true},
            {"host": "/home/me/x", "target": "/home/agent/x"},
        ]));
        assert_eq!(one.unwrap(), [Mount::new("/home/me/x", "/home/agent/x", false)]);
        let two = expand_mounts(&json!([{"host": "/a", "target": "/x"}, {"host": "/b", "target": "/x/"}]));
        insta::assert_snapshot!(two.unwrap_err(), @r#"mounts of /a and /b have the same target "/x""#);
    }

    #[test]
    fn a_driver_with_other_places_gets_no_escape() {
        let places = Places { inside_sources: "/src", inside_home: Some("/"), host_home: None, ..places() };
        assert_eq!(places.inside("$SOURCES/../x").unwrap(), "/x");
        assert_eq!(places.inside("$SOURCES/..").unwrap_err(), ExpandError::Root("$SOURCES/..".into()));
        assert_eq!(places.inside("/").unwrap_err(), ExpandError::Root("/".into()));
        assert_eq!(places.host("$HOME/x").unwrap_err(), ExpandError::NoHome("$HOME/x".into()));
        let deep = Places { inside_sources: "/a/b/c", inside_home: Some("/a/b"), ..places };
        let target = "$SOURCES/../../../workspace/x";
        assert!(matches!(deep.inside(target), Err(ExpandError::Escapes { variable: Variable::Sources, .. })));
        assert!(matches!(
            deep.inside("$HOME/../bc"),
            Err(ExpandError::Escapes { variable: Variable::Home, .. })
        ));
    }

    // SPEC: WORK-14, WORK-16
    #[test]
    fn network_policies() {
        let policy =
            |network: Value| expand_json(json!({ "network": network })).map(|expanded| expanded.network);
        let deny = |hosts: &[&str]| Ok(Network::deny(hosts.iter().map(ToString::to_string).collect()));
        assert_eq!(policy(json!({})), Ok(Network::allow()));
        assert_eq!(policy(json!({"hosts": ["Example.com", "example.com"]})), deny(&["example.com"]));
        assert_eq!(policy(json!({"mode": "deny"})), deny(&[]));
        assert_eq!(policy(json!({"mode": "allow", "hosts": ["a", "http://b"]})), Ok(Network::allow()));
        assert_eq!(policy(json!({"mode": "deny", "hosts": ["*"]})), Ok(Network::allow()));
        let url = "https://example.com";
        assert_eq!(policy(json!({"hosts": ["a", url]})), Err(ExpandError::Host(url.into())));
    }

    // SPEC: WORK-14
    #[test]
    fn a_full_configuration_makes_a_workspace_that_drivers_accept() {
        let Expanded { environment, mounts, ports, network, limits } =
            expand(&WorkspaceConfig::full(), &places()).unwrap();
        assert_eq!(environment, [EnvVar::value("A", ""), EnvVar::secret("B", "b")]);
        assert_eq!(ports, [Port::new(8080)]);
        assert_eq!((limits.memory_bytes, limits.cpus, limits.pids), (Some(2 << 30), Some(1.5), Some(512)));
        let agent = Agent::new("shell", vec!["sh".into()]);
        let mut workspace = Workspace::new("a".repeat(64), "app", "/src/app", agent);
        workspace.environment = environment;
        workspace.mounts = mounts;
        workspace.ports = ports;
        workspace.network = network;
        workspace.limits = limits;
        assert_eq!(workspace.validate(), Ok(()));
    }
}
