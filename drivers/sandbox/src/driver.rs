//! The driver: kdn's requests, carried out on threads that may block.

use std::time::Duration;

use kdn_protocol::driver::{Context, Driver};
use kdn_protocol::{
    Capabilities, Error, ErrorKind, InitializeParams, Instance, LimitsCapability, ListAgentsResult,
    ListParams, ListResult, Manifest, NetworkMode, NetworkPolicyCapability, Plan, RemoveParams, StartParams,
    Status, StopParams, Supported, TerminalParams, Workspace,
};

use crate::env::HostUser;
use crate::instances::Instances;
use crate::limits::Means;
use crate::state::{Liveness, liveness};
use crate::wire::EXEC_VERSION;
use crate::{agents, exec, probe};

/// The sandbox driver.
#[derive(Debug)]
pub struct SandboxDriver {
    instances: Instances,
    /// The size of a page of `list`, in bytes.
    page: usize,
}

type Result<T> = std::result::Result<T, Error>;

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::internal(error.to_string())))
}

fn capabilities(memory: bool) -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.status = Supported::YES;
    capabilities.agents = Supported::YES;
    capabilities.terminal = Supported::YES;
    capabilities.cancellation = Supported::YES;
    capabilities.network_policy =
        Some(NetworkPolicyCapability::new([NetworkMode::Allow, NetworkMode::Deny], false));
    capabilities.ports = Supported::YES;
    capabilities.limits = Some(LimitsCapability::new(memory, true, true));
    capabilities.secret_environment = Supported::YES;
    capabilities.bind_mounts = Supported::YES;
    capabilities
}

impl Driver for SandboxDriver {
    fn manifest() -> Manifest {
        let mut manifest = Manifest::new("sandbox", "Sandbox", env!("CARGO_PKG_VERSION"));
        manifest.description = "a sandbox of Linux namespaces that needs nothing installed".into();
        manifest.workspace_sources_path = Some(crate::plan::SOURCES.into());
        manifest.workspace_home = Some(crate::plan::HOME.into());
        // Of use with the network allowed, which is the host's own.
        manifest.host_address = Some("localhost".into());
        manifest.capabilities = capabilities(true);
        manifest
    }

    async fn open(params: InitializeParams) -> Result<Self> {
        let instances = Instances::new(params.storage_dir, HostUser::current(), Means::find());
        Ok(Self { instances, page: params.limits.max_frame_bytes / 2 })
    }

    fn capabilities(&self) -> Capabilities {
        capabilities(self.instances.means().memory())
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance> {
        let (instances, context) = (self.instances.clone(), context.clone());
        blocking(move || instances.create(workspace, &context)).await
    }

    async fn start(&self, params: StartParams, context: &Context) -> Result<Instance> {
        let (instances, context) = (self.instances.clone(), context.clone());
        blocking(move || instances.start(&params, &context)).await
    }

    async fn stop(&self, params: StopParams, context: &Context) -> Result<Instance> {
        let (instances, context) = (self.instances.clone(), context.clone());
        let grace = Duration::from_secs(params.grace_seconds.into());
        blocking(move || instances.stop(&params.id, grace, &context)).await
    }

    async fn remove(&self, params: RemoveParams, context: &Context) -> Result<()> {
        let (instances, context) = (self.instances.clone(), context.clone());
        blocking(move || instances.remove(&params.id, &context)).await
    }

    async fn info(&self, id: String) -> Result<Instance> {
        self.instances.info(&id)
    }

    async fn list(&self, params: ListParams) -> Result<ListResult> {
        let (instances, page) = (self.instances.clone(), self.page);
        blocking(move || instances.list(params, page)).await
    }

    async fn status(&self) -> Result<Status> {
        blocking(|| Ok(probe::status())).await
    }

    async fn list_agents(&self) -> Result<ListAgentsResult> {
        Ok(ListAgentsResult::new(agents::names(self.instances.user())))
    }

    async fn terminal(&self, params: TerminalParams) -> Result<Plan> {
        let folder = self.instances.folder(&params.id)?;
        let restart = "restart it: kdn stop, then kdn start";
        match liveness(&folder)? {
            Liveness::Running(state) if state.exec_version == EXEC_VERSION => {}
            Liveness::Running(_) => {
                let message = "another version of kdn started this workspace";
                return Err(Error::new(ErrorKind::InvalidState, message).hint(restart));
            }
            Liveness::Stopped(_) | Liveness::Changing => {
                return Err(Error::new(ErrorKind::InvalidState, "the workspace is not running")
                    .hint("start it first"));
            }
        }
        let tty = params.tty.then_some("--tty");
        let folder = folder.to_string_lossy();
        let before = [exec::ROLE].into_iter().chain(tty).chain([&*folder, "--"]);
        Ok(Plan::own(before.chain(params.command.iter().map(String::as_str))))
    }
}
