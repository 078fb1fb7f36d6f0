//! A whole driver: instances are files, and starting one does nothing.

use std::{fs, path::PathBuf, process::ExitCode};

use kdn_protocol::{
    Error, InitializeParams, Instance, ListParams, ListResult, Manifest, RemoveParams, StartParams, State,
    StopParams, Workspace,
    driver::{Context, Driver, serve},
};

struct Minimal {
    storage: PathBuf,
}

impl Minimal {
    #[expect(clippy::disallowed_methods, reason = "this is the atomic writer")]
    fn write(&self, instance: Instance) -> Result<Instance, Error> {
        fs::create_dir_all(&self.storage)?;
        let unfinished = self.storage.join(format!(".{}", instance.id));
        let text = serde_json::to_string(&instance).map_err(|e| Error::internal(e.to_string()))?;
        fs::write(&unfinished, text)?;
        fs::rename(unfinished, self.storage.join(&instance.id))?;
        Ok(instance)
    }

    fn read(&self, id: &str) -> Result<Instance, Error> {
        let text =
            Instance::is_valid_id(id).then(|| fs::read_to_string(self.storage.join(id)).ok()).flatten();
        serde_json::from_str(&text.ok_or_else(|| Error::instance_not_found(id))?)
            .map_err(|e| Error::internal(e.to_string()))
    }

    fn set(&self, id: &str, state: State) -> Result<Instance, Error> {
        let mut instance = self.read(id)?;
        instance.state = state;
        self.write(instance)
    }
}

impl Driver for Minimal {
    fn manifest() -> Manifest {
        Manifest::new("minimal", "Minimal", env!("CARGO_PKG_VERSION"))
    }

    async fn open(params: InitializeParams) -> Result<Self, Error> {
        Ok(Self { storage: params.storage_dir })
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance, Error> {
        context.steps().start("Writing instance", "Instance written");
        let id = workspace.workspace_id;
        self.read(&id).or_else(|_| self.write(Instance::new(&id, &id, workspace.name, State::Stopped)))
    }

    async fn start(&self, params: StartParams, _: &Context) -> Result<Instance, Error> {
        self.set(&params.id, State::Running)
    }

    async fn stop(&self, params: StopParams, _: &Context) -> Result<Instance, Error> {
        self.set(&params.id, State::Stopped)
    }

    async fn remove(&self, params: RemoveParams, _: &Context) -> Result<(), Error> {
        if self.read(&params.id).is_ok() {
            fs::remove_file(self.storage.join(&params.id))?;
        }
        Ok(())
    }

    async fn info(&self, id: String) -> Result<Instance, Error> {
        self.read(&id)
    }

    async fn list(&self, _: ListParams) -> Result<ListResult, Error> {
        let files = fs::read_dir(&self.storage).into_iter().flatten().flatten();
        Ok(ListResult::new(files.filter_map(|f| self.read(f.file_name().to_str()?).ok()).collect()))
    }
}

fn main() -> ExitCode {
    serve::<Minimal>()
}
