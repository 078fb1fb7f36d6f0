//! The driver: kdn's requests, passed on to the instances.

use std::marker::PhantomData;

use kdn_protocol::driver::{Context, Driver};
use kdn_protocol::{
    Capabilities, Error, Flag, InitializeParams, Instance, ListAgentsResult, ListParams, ListResult,
    Manifest, Plan, RemoveParams, StartParams, Status, StopParams, TerminalParams, Workspace,
};

use crate::engine::{Engine, Kind, capabilities};
use crate::image::{HOME, SOURCES};
use crate::instances::Instances;

/// The driver of an engine.
#[derive(Debug)]
pub struct ContainerDriver<K> {
    instances: Instances,
    kind: PhantomData<K>,
}

type Result<T> = std::result::Result<T, Error>;

impl<K: Kind> Driver for ContainerDriver<K> {
    fn manifest() -> Manifest {
        let table = K::TABLE;
        let mut manifest = Manifest::new(table.name, table.display, env!("CARGO_PKG_VERSION"));
        manifest.description = table.description.into();
        manifest.workspace_sources_path = Some(SOURCES.into());
        manifest.workspace_home = Some(HOME.into());
        manifest.host_address = Some(table.host_address.into());
        manifest.capabilities = capabilities(table, true);
        manifest
    }

    fn flags() -> Vec<Flag> {
        vec![Flag::new(K::TABLE.base_image_flag, K::TABLE.base_image_usage)]
    }

    async fn open(params: InitializeParams) -> Result<Self> {
        let instances =
            Instances::new(Engine::new(K::TABLE), params.storage_dir, params.limits.max_frame_bytes / 2);
        Ok(Self { instances, kind: PhantomData })
    }

    fn capabilities(&self) -> Capabilities {
        capabilities(K::TABLE, self.instances.engine().host().limits)
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance> {
        self.instances.create(&workspace, context).await
    }

    async fn start(&self, params: StartParams, context: &Context) -> Result<Instance> {
        self.instances.start(&params, context).await
    }

    async fn stop(&self, params: StopParams, context: &Context) -> Result<Instance> {
        self.instances.stop(&params, context).await
    }

    async fn remove(&self, params: RemoveParams, context: &Context) -> Result<()> {
        self.instances.remove(&params.id, context).await
    }

    async fn info(&self, id: String) -> Result<Instance> {
        self.instances.info(&id).await
    }

    async fn list(&self, params: ListParams) -> Result<ListResult> {
        self.instances.list(params).await
    }

    async fn status(&self) -> Result<Status> {
        Ok(match self.instances.engine().check().await {
            Ok(()) => Status::ready(),
            Err(error) => Status::unavailable(error.message, error.data.hints),
        })
    }

    async fn list_agents(&self) -> Result<ListAgentsResult> {
        Ok(ListAgentsResult::new(self.instances.config().agents()))
    }

    async fn dashboard(&self, id: String) -> Result<String> {
        self.instances.dashboard(&id).await
    }

    async fn terminal(&self, params: TerminalParams) -> Result<Plan> {
        self.instances.terminal(params).await
    }
}
