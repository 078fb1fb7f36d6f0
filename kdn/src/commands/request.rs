//! What `init` asks a driver for: the arguments and the configuration, as one workspace.

use std::path::{Path, PathBuf};

use kdn_protocol::{Agent, Manifest, Workspace};

use super::{Context, args::DriverOptions, init::Args, settings};
use crate::{
    agents,
    config::{self, Places, WorkspaceConfig, expand},
    files::absolute,
    output::{CommandError, Notes},
    project,
    secrets::Error as SecretError,
    workspaces::{New, id},
};

/// A workspace to be made, before a driver says where things lie inside it.
#[derive(Debug)]
pub(super) struct Request {
    name: String,
    sources: PathBuf,
    configuration: PathBuf,
    project: String,
    agent: String,
    model: Option<String>,
    pub(super) config: WorkspaceConfig,
}

impl Request {
    /// Checks the arguments, and reads the configuration that goes with them.
    pub(super) fn new(
        args: &Args,
        context: &Context,
        agent: String,
        notes: &Notes,
    ) -> Result<Self, CommandError> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let sources = sources(&args.sources)?;
        let configuration = match &args.workspace_configuration {
            Some(folder) => absolute(folder)?,
            None => sources.join(".kaiden"),
        };
        let folder = || sources.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = given(&args.name).or_else(folder).unwrap_or_default();
        let project = given(&args.project).unwrap_or_else(|| project::identify(&sources));
        let loaded = config::levels::load(&configuration, &context.storage, &project, &agent)?;
        for warning in &loaded.warnings {
            notes.say(&format!("Warning: {warning}"));
        }
        let model = given(&args.model);
        Ok(Self { name, sources, configuration, project, agent, model, config: loaded.config })
    }

    /// The workspace as a driver gets it. Nothing of the configuration is left out without a word.
    pub(super) fn into_new(
        self,
        context: &Context,
        options: DriverOptions,
        manifest: &Manifest,
        notes: &Notes,
    ) -> Result<New, CommandError> {
        let store = context.secrets();
        let secrets = &self.config.secrets;
        if !manifest.isolated {
            notes.say(&format!(
                "Warning: runtime {:?} does not isolate: the agent runs as you, with all your files in reach",
                manifest.r#type
            ));
        }
        let sources = self.sources.to_str().unwrap_or_default();
        let places = Places {
            host_sources: &self.sources,
            host_home: context.env.home.as_deref(),
            inside_sources: manifest.workspace_sources_path.as_deref().unwrap_or(sources),
            inside_home: manifest.workspace_home.as_deref(),
        };
        let expanded = expand::expand(&self.config, &places)?;
        let mut agent = Agent::new(&self.agent, agents::command(&self.agent));
        // Where nothing is isolated, the agents are those of the user, who has them or has them not.
        if let Some(known) = agents::find(&self.agent).filter(|_| manifest.isolated) {
            agent.install = known.install.iter().map(|&line| line.to_owned()).collect();
        }
        let mut workspace = Workspace::new(id::generate()?, &self.name, &self.sources, agent);
        workspace.project_id.clone_from(&self.project);
        workspace.model.clone_from(&self.model);
        workspace.environment = expanded.environment;
        workspace.mounts = expanded.mounts;
        workspace.ports = expanded.ports;
        workspace.network = expanded.network;
        let own: Vec<&str> = workspace.environment.iter().map(|variable| &*variable.name).collect();
        workspace.secrets = store.specs(secrets, &own).map_err(|(i, error)| {
            let doing = if matches!(error, SecretError::Unusable { .. }) { "map" } else { "get" };
            CommandError::from(error)
                .context(format!("failed to {doing} secret {:?} at index {i}", secrets[i]))
        })?;
        store.allow(&mut workspace.network, secrets)?;
        workspace.limits = expanded.limits;
        workspace.options = options;
        settings::add(&mut workspace, &self.config, &places, manifest, context, notes)?;
        Ok(New { workspace, configuration: self.configuration, start: false })
    }
}

fn sources(given: &Path) -> Result<PathBuf, CommandError> {
    let sources = absolute(given)
        .map_err(|error| CommandError::from(error).context("failed to check sources directory"))?;
    let shown = sources.display();
    match sources.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(CommandError::new(format!("sources directory does not exist: {shown}")))
        }
        Err(error) => Err(CommandError::from(error).context("failed to check sources directory")),
        Ok(data) if !data.is_dir() => {
            Err(CommandError::new(format!("sources path is not a directory: {shown}")))
        }
        Ok(_) if sources.to_str().is_none() => {
            Err(CommandError::new(format!("sources directory path is not UTF-8: {shown}")))
        }
        Ok(_) => Ok(sources),
    }
}
