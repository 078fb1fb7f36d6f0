//! A whole driver: an instance is a file, and starting one does nothing.

use std::{fs, path::PathBuf, process::ExitCode};

use kdn_protocol::{
    Error, ErrorKind, InitializeParams, Instance, ListParams, ListResult, Manifest, RemoveParams,
    StartParams, State, StopParams, Workspace,
    driver::{Context, Driver, make_private, serve},
};

struct Minimal(PathBuf);

impl Minimal {
    fn all(&self) -> impl Iterator<Item = Instance> {
        let files = fs::read_dir(&self.0).into_iter().flatten().flatten();
        files.filter_map(|file| self.find(file.file_name().to_str()?).ok())
    }

    fn find(&self, id: &str) -> Result<Instance, Error> {
        let file = Some(self.0.join(id)).filter(|_| Instance::is_valid_id(id));
        let text = file.and_then(|file| fs::read(file).ok()).ok_or_else(|| Error::instance_not_found(id))?;
        serde_json::from_slice(&text).map_err(|error| Error::internal(error.to_string()))
    }

    #[expect(clippy::disallowed_methods, reason = "it is written whole, under another name, and renamed")]
    fn save(&self, mut instance: Instance, state: State) -> Result<Instance, Error> {
        instance.state = state;
        let text = serde_json::to_vec(&instance).map_err(|error| Error::internal(error.to_string()))?;
        let unfinished = self.0.join(format!(".{}", instance.id));
        make_private(&self.0)?;
        fs::write(&unfinished, text)?;
        fs::rename(unfinished, self.0.join(&instance.id))?;
        Ok(instance)
    }
}

impl Driver for Minimal {
    fn manifest() -> Manifest {
        Manifest::new("minimal", "Minimal", env!("CARGO_PKG_VERSION"))
    }

    async fn open(params: InitializeParams) -> Result<Self, Error> {
        Ok(Self(params.storage_dir))
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance, Error> {
        context.steps().start("Writing instance", "Instance written");
        let (id, name) = (workspace.workspace_id, workspace.name);
        match self.all().find(|instance| instance.workspace_id == id || instance.name == name) {
            Some(known) if known.workspace_id == id => Ok(known),
            Some(_) => {
                Err(Error::new(ErrorKind::AlreadyExists, format!("another instance is named {name:?}")))
            }
            None => self.save(Instance::new(&id, &id, name, State::Stopped), State::Stopped),
        }
    }

    async fn start(&self, params: StartParams, _: &Context) -> Result<Instance, Error> {
        self.save(self.find(&params.id)?, State::Running)
    }

    async fn stop(&self, params: StopParams, _: &Context) -> Result<Instance, Error> {
        self.save(self.find(&params.id)?, State::Stopped)
    }

    async fn remove(&self, params: RemoveParams, _: &Context) -> Result<(), Error> {
        match self.find(&params.id) {
            Err(_) => Ok(()),
            Ok(running) if running.state == State::Running => {
                Err(Error::new(ErrorKind::InvalidState, format!("instance {:?} is running", params.id)))
            }
            Ok(_) => Ok(fs::remove_file(self.0.join(params.id))?),
        }
    }

    async fn info(&self, id: String) -> Result<Instance, Error> {
        self.find(&id)
    }

    async fn list(&self, params: ListParams) -> Result<ListResult, Error> {
        let ids = params.workspace_ids.as_ref();
        let wanted = |instance: &Instance| ids.is_none_or(|ids| ids.contains(&instance.workspace_id));
        Ok(ListResult::new(self.all().filter(wanted).collect()))
    }
}

fn main() -> ExitCode {
    serve::<Minimal>()
}
