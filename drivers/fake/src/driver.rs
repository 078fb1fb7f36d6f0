//! The driver itself: what it offers, and each method by the module that does it.

use kdn_protocol::{
    Capabilities, Error, ErrorKind, Flag, InitializeParams, Instance, ListAgentsResult, ListParams,
    ListResult, Manifest, Plan, RemoveParams, StartParams, Status, StopParams, Supported, TerminalParams,
    Workspace,
    driver::{Context, Driver},
};

use crate::{agents, create, env, list, live, options, remove, start, stop, store::Store};

pub(crate) struct Fake {
    store: Store,
    /// The size of a page of `list`, in bytes.
    page: usize,
}

impl Driver for Fake {
    fn manifest() -> Manifest {
        let kind = env::driver_type().unwrap_or_else(|| "fake".into());
        let mut manifest = Manifest::new(&kind, "fake", env!("CARGO_PKG_VERSION"));
        manifest.description =
            "Runs workspaces as ordinary processes of the user, without isolation; for tests".into();
        manifest.hidden = true;
        manifest.isolated = false;
        manifest.workspace_sources_path = None;
        manifest.workspace_home = None;
        manifest.host_address = Some("localhost".into());
        manifest.capabilities = capabilities();
        manifest
    }

    fn flags() -> Vec<Flag> {
        options::flags()
    }

    async fn open(params: InitializeParams) -> Result<Self, Error> {
        let store = Store::new(params.storage_dir);
        store.sweep();
        Ok(Self { store, page: params.limits.max_frame_bytes / 2 })
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance, Error> {
        create::create(&self.store, workspace, context).await
    }

    async fn start(&self, params: StartParams, context: &Context) -> Result<Instance, Error> {
        start::start(&self.store, params, context).await
    }

    async fn stop(&self, params: StopParams, context: &Context) -> Result<Instance, Error> {
        stop::stop(&self.store, &params, context).await
    }

    async fn remove(&self, params: RemoveParams, context: &Context) -> Result<(), Error> {
        remove::remove(&self.store, &params.id, context).await
    }

    async fn info(&self, id: String) -> Result<Instance, Error> {
        Ok(self.store.read()?.take(&id)?.into_instance())
    }

    async fn list(&self, params: ListParams) -> Result<ListResult, Error> {
        list::list(&self.store, params, self.page)
    }

    async fn status(&self) -> Result<Status, Error> {
        Ok(Status::ready())
    }

    async fn list_agents(&self) -> Result<ListAgentsResult, Error> {
        Ok(ListAgentsResult::new(agents::KNOWN.iter().copied()))
    }

    async fn terminal(&self, params: TerminalParams) -> Result<Plan, Error> {
        let record = self.store.read()?.take(&params.id)?;
        record.check_running()?;
        if !record.source.is_dir() {
            let message = format!("the folder of the sources {} is gone", record.source.display());
            return Err(
                Error::new(ErrorKind::Unavailable, message).hint("bring it back, or remove the workspace")
            );
        }
        live::plan(&self.store.place(&params.id), params.command)
    }

    async fn dashboard(&self, id: String) -> Result<String, Error> {
        self.store.read()?.take(&id)?.check_running()?;
        live::dashboard(&self.store.place(&id))
    }
}

/// All that can be done without isolation.
fn capabilities() -> Capabilities {
    let mut all = Capabilities::default();
    all.status = Supported::YES;
    all.agents = Supported::YES;
    all.cancellation = Supported::YES;
    live::offer(&mut all);
    all
}
