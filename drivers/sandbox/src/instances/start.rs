//! Starts an instance: turns its spec and the policy of now into a plan for the supervisor.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use kdn_protocol::driver::Context;
use kdn_protocol::{Instance, Network, NetworkMode, Secret, StartParams};

use super::{HOME, Instances, OTHERS, Spec};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::plan::{self, Plan};
use crate::state::{Liveness, liveness};
use crate::{agents, layout, supervisor};

const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

impl Instances {
    /// Starts an instance; one that runs stays as it is.
    pub fn start(&self, params: &StartParams, context: &Context) -> Result<Instance> {
        let folder = self.folder(&params.id)?;
        self.start_in(&folder, params, context).map_err(|error| {
            // A removal at the same time can make anything fail.
            if folder.is_dir() { error } else { Error::instance_not_found(&params.id) }
        })
    }

    fn start_in(&self, folder: &Path, params: &StartParams, context: &Context) -> Result<Instance> {
        let deadline = Instant::now() + OTHERS;
        loop {
            match liveness(folder).doing("look at the instance")? {
                Liveness::Running(_) => break,
                Liveness::Stopped(_) => {
                    context.check()?;
                    context.steps().start("Starting sandbox", "Sandbox started");
                    let plan = self.plan(folder, &params.network, &params.secret_values)?;
                    match supervisor::start(folder, &plan) {
                        Err(error) if error.kind() == ErrorKind::Busy => {}
                        outcome => {
                            outcome?;
                            break;
                        }
                    }
                }
                Liveness::Changing => {}
            }
            if Instant::now() > deadline {
                return Err(Error::new(ErrorKind::Busy, "another change of this workspace is under way"));
            }
            sleep(Duration::from_millis(5));
        }
        self.info(&params.id)
    }

    fn plan(
        &self,
        folder: &Path,
        network: &Network,
        secrets: &BTreeMap<String, Secret<String>>,
    ) -> Result<Plan> {
        let Spec { workspace, forwards, .. } = Spec::read(folder).doing("read the instance")?;
        let agent =
            agents::find(&self.user, &workspace.agent.name, &workspace.agent.command).ok_or_else(|| {
                let message =
                    format!("agent {:?} is no longer installed on this machine", workspace.agent.name);
                Error::new(ErrorKind::Unavailable, message).hint("install it again where it was")
            })?;
        if !workspace.source_path.is_dir() {
            let message = format!("the sources {} are no longer there", workspace.source_path.display());
            return Err(Error::new(ErrorKind::InvalidState, message));
        }
        let mut env = vec![
            ("HOME".to_owned(), plan::HOME.to_owned()),
            ("USER".to_owned(), "agent".to_owned()),
            ("LOGNAME".to_owned(), "agent".to_owned()),
            ("SHELL".to_owned(), shell().to_owned()),
            ("PATH".to_owned(), self.path(&agent.path)),
        ];
        for variable in workspace.environment {
            let value = match (variable.value, variable.secret) {
                (Some(value), _) => value,
                (None, Some(secret)) => {
                    secrets.get(&secret).map(|value| value.expose().clone()).ok_or_else(|| {
                        let message =
                            format!("the value of secret {secret:?} for {} did not come", variable.name);
                        Error::invalid_workspace(format!("secretValues.{secret}"), message)
                            .hint(format!("make it: `kdn secret create {secret:?} --type ...`"))
                    })?
                }
                (None, None) => continue,
            };
            env.push((variable.name, value));
        }
        // The storage may be reached through links, which are not the agent's.
        let home = folder.join(HOME).canonicalize().doing("look at the home")?;
        let hostname = hostname(&workspace.name);
        let mut entries = layout::system(&hostname, network.mode);
        entries.extend(layout::of_user(&home, &workspace.source_path, agent, &workspace.mounts)?);
        Ok(Plan {
            label: workspace.workspace_id.chars().take(12).collect(),
            hostname,
            entries,
            env,
            share_network: network.mode == NetworkMode::Allow,
            forwards,
            limits: workspace.limits,
        })
    }

    /// Where programs are found inside: the home's own, the agent's, the system's, and those that the user's `PATH`
    /// has in other visible places.
    fn path(&self, agent: &[String]) -> String {
        let own = format!("{}/.local/bin", plan::HOME);
        let mut path: Vec<String> = vec![own];
        path.extend(agent.iter().cloned());
        path.extend(PATH.map(str::to_owned));
        let host = self.user.path.iter().filter_map(|folder| folder.canonicalize().ok());
        path.extend(
            host.filter(|folder| layout::is_system(folder))
                .filter_map(|folder| folder.to_str().map(str::to_owned)),
        );
        let mut seen = std::collections::HashSet::new();
        path.retain(|folder| seen.insert(folder.clone()));
        path.join(":")
    }
}

fn shell() -> &'static str {
    if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" }
}

/// A host name that the kernel takes, like the workspace's name.
fn hostname(name: &str) -> String {
    let clean = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' });
    clean.take(63).collect()
}
