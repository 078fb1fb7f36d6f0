//! A whole driver: an instance is a file, and starting one does nothing.

use std::process::ExitCode;

use kdn_protocol::{
    Error, InitializeParams, Instance, ListParams, ListResult, Manifest, RemoveParams, StartParams, State,
    StopParams, Workspace,
    driver::{Context, Driver, Store, serve},
};

struct Minimal(Store);

impl Driver for Minimal {
    fn manifest() -> Manifest {
        Manifest::new("minimal", "Minimal", env!("CARGO_PKG_VERSION"))
    }

    async fn open(params: InitializeParams) -> Result<Self, Error> {
        Ok(Self(Store::new(params.storage_dir)))
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance, Error> {
        context.steps().start("Writing instance", "Instance written");
        let id = workspace.workspace_id;
        self.0.add(Instance::new(&id, &id, workspace.name, State::Stopped))
    }

    async fn start(&self, params: StartParams, _: &Context) -> Result<Instance, Error> {
        self.0.change(&params.id, |instance| instance.state = State::Running)
    }

    async fn stop(&self, params: StopParams, _: &Context) -> Result<Instance, Error> {
        self.0.change(&params.id, |instance| instance.state = State::Stopped)
    }

    async fn remove(&self, params: RemoveParams, _: &Context) -> Result<(), Error> {
        self.0.remove(&params.id)
    }

    async fn info(&self, id: String) -> Result<Instance, Error> {
        self.0.get(&id)
    }

    async fn list(&self, params: ListParams) -> Result<ListResult, Error> {
        self.0.list(&params)
    }
}

fn main() -> ExitCode {
    serve::<Minimal>()
}
