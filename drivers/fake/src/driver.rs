//! The driver itself: what it offers, and each method by the module that does it.

use std::collections::HashSet;

use kdn_protocol::{
    Capabilities, Error, ErrorKind, Flag, InitializeParams, Instance, LimitsCapability, ListAgentsResult,
    ListParams, ListResult, Manifest, NetworkMode, NetworkPolicyCapability, Plan, RemoveParams, StartParams,
    State, Status, StopParams, Supported, TerminalParams, Workspace,
    driver::{Context, Driver},
};

use crate::{create, files, options, start, step, store::Store, terminal};

/// The agents that can be asked for by name alone.
pub(crate) const AGENTS: &[&str] =
    &["claude", "codex", "cursor", "gemini", "goose", "openclaw", "opencode", "shell"];

/// How a cursor begins; the last id of the page before follows.
const CURSOR: &str = "after ";

pub(crate) struct Fake {
    store: Store,
    /// The size of a page of `list`, in bytes.
    page: usize,
}

impl Driver for Fake {
    fn manifest() -> Manifest {
        let mut manifest = Manifest::new("fake", "fake", env!("CARGO_PKG_VERSION"));
        manifest.description =
            "Keeps workspaces as records and runs their commands on this machine, without isolation; for tests"
                .into();
        manifest.hidden = true;
        manifest.workspace_sources_path = Some("/project/sources".into());
        manifest.host_address = Some("localhost".into());
        manifest.capabilities = capabilities();
        manifest
    }

    fn flags() -> Vec<Flag> {
        options::flags()
    }

    async fn open(params: InitializeParams) -> Result<Self, Error> {
        if !params.storage_dir.is_absolute() {
            let message =
                format!("storage folder {:?} is not absolute", params.storage_dir.display().to_string());
            return Err(Error::new(ErrorKind::InvalidParams, message).field("storageDir"));
        }
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
        let Some((record, _claim)) = self.store.claim(&params.id)? else {
            return Err(Error::instance_not_found(&params.id));
        };
        if record.state == State::Stopped {
            return Ok(record.into_instance());
        }
        record.check_whole()?;
        let delay = record.step_delay();
        step::step(context, delay, "Ending processes", "Processes ended").await?;
        step::step(context, delay, "Stopping instance", "Instance stopped").await?;
        self.store.change(|book| {
            let record = book.get_mut(&params.id)?;
            record.state = State::Stopped;
            Ok(record.clone().into_instance())
        })
    }

    async fn remove(&self, params: RemoveParams, context: &Context) -> Result<(), Error> {
        let Some((record, _claim)) = self.store.claim(&params.id)? else {
            return Ok(());
        };
        if record.state == State::Running {
            let message = format!("instance {} is still running, stop it first", params.id);
            return Err(Error::new(ErrorKind::InvalidState, message));
        }
        let delay = record.step_delay();
        // There is no way back, so a cancellation only hurries it.
        let _ = step::step(context, delay, "Checking instance", "Instance checked").await;
        let _ = step::step(context, delay, "Removing instance", "Instance removed").await;
        // The record goes last: as long as something is left, it can be removed again.
        files::remove_dir(&self.store.home(&params.id))?;
        self.store.change(|book| {
            book.instances.remove(&params.id);
            Ok(())
        })
    }

    async fn info(&self, id: String) -> Result<Instance, Error> {
        Ok(self.store.read()?.take(&id)?.into_instance())
    }

    async fn list(&self, params: ListParams) -> Result<ListResult, Error> {
        let after = match &params.cursor {
            Some(cursor) => Some(cursor.strip_prefix(CURSOR).ok_or_else(|| {
                Error::new(ErrorKind::InvalidParams, format!("cursor {cursor:?} is not of this driver"))
                    .field("cursor")
            })?),
            None => None,
        };
        self.store.sweep();
        let wanted: Option<HashSet<String>> = params.workspace_ids.map(|ids| ids.into_iter().collect());
        let mut result = ListResult::default();
        let mut size = 0;
        for (id, record) in self.store.read()?.instances {
            if after.is_some_and(|last| id.as_str() <= last) {
                continue;
            }
            let instance = record.into_instance();
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&instance.workspace_id)) {
                continue;
            }
            size += serde_json::to_vec(&instance).map_or(0, |text| text.len() + 1);
            if size > self.page
                && let Some(last) = result.instances.last()
            {
                result.next_cursor = Some(format!("{CURSOR}{}", last.id));
                break;
            }
            result.instances.push(instance);
        }
        Ok(result)
    }

    async fn status(&self) -> Result<Status, Error> {
        Ok(Status::ready())
    }

    async fn list_agents(&self) -> Result<ListAgentsResult, Error> {
        Ok(ListAgentsResult::new(AGENTS.iter().copied()))
    }

    async fn terminal(&self, params: TerminalParams) -> Result<Plan, Error> {
        let record = self.store.read()?.take(&params.id)?;
        record.check_running()?;
        terminal::plan(&record, &self.store.home(&params.id), &params.command)
    }

    /// Nothing listens there.
    async fn dashboard(&self, id: String) -> Result<String, Error> {
        self.store.read()?.take(&id)?.check_running()?;
        Ok(format!("http://127.0.0.1:9/{id}"))
    }
}

/// All but `runtimeSecrets`: there is no backend that could have a store of secrets.
fn capabilities() -> Capabilities {
    let mut all = Capabilities::default();
    all.status = Supported::YES;
    all.agents = Supported::YES;
    all.terminal = Supported::YES;
    all.dashboard = Supported::YES;
    all.cancellation = Supported::YES;
    all.network_policy = Some(NetworkPolicyCapability::new([NetworkMode::Allow, NetworkMode::Deny], true));
    all.ports = Supported::YES;
    all.features = Supported::YES;
    all.limits = Some(LimitsCapability::new(true, true, true));
    all.secrets = Supported::YES;
    all.secret_environment = Supported::YES;
    all.bind_mounts = Supported::YES;
    all
}
