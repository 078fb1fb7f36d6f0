//! What `init` adds to a workspace for the sake of its agent: settings, skills, MCP servers, ports, variables.

use std::path::PathBuf;

use jiff::Timestamp;
use kdn_protocol::{EnvVar, Manifest, Port, Workspace};

use super::Context;
use crate::{
    agents::{self, Wanted},
    config::{Places, WorkspaceConfig, file::Mcp, localhost},
    model::ModelId,
    output::{CommandError, Notes},
};

/// The value of variables whose secret stays outside.
const PLACEHOLDER: &str = "placeholder";

/// Adds all that the workspace's agent needs.
pub(super) fn add(
    workspace: &mut Workspace,
    config: &WorkspaceConfig,
    places: &Places<'_>,
    manifest: &Manifest,
    context: &Context,
    notes: &Notes,
) -> Result<(), CommandError> {
    let name = workspace.agent.name.clone();
    warn(workspace, config, manifest, notes);
    let has_placeholders = workspace.secrets.iter().any(|secret| !secret.env_names.is_empty());
    let skills = config.skills.iter().map(|skill| Ok((skill.as_str(), places.host(skill)?)));
    let prepared = agents::prepare(&Wanted {
        agent: &name,
        storage: &context.storage,
        model: workspace.model.as_deref(),
        mcp: &config.mcp,
        skills: &skills.collect::<Result<Vec<(&str, PathBuf)>, CommandError>>()?,
        sources: &seen_sources(places, manifest),
        mounts_at: manifest.workspace_home.as_deref().filter(|_| manifest.capabilities.bind_mounts.is_some()),
        host: manifest.host_address.as_deref(),
        approved_keys: if has_placeholders { &[PLACEHOLDER] } else { &[] },
        now: Timestamp::now(),
    })?;
    workspace.files.extend(prepared.files);
    workspace.mounts.extend(prepared.mounts);
    for (name, value) in prepared.environment {
        if !has_variable(workspace, &name) {
            workspace.environment.push(EnvVar::value(name, value));
        }
    }
    // Of use, but no need: a driver without ports can run the agent too.
    if manifest.capabilities.ports.is_some() {
        for &port in agents::find(&name).map_or(&[][..], |agent| agent.ports) {
            if workspace.ports.iter().all(|other| other.target != port) {
                workspace.ports.push(Port::new(port));
            }
        }
    }
    Ok(())
}

/// The path of the sources as an agent learns it from the system, which has no links in it.
fn seen_sources(places: &Places<'_>, manifest: &Manifest) -> String {
    let real = places.host_sources.canonicalize().ok().filter(|_| !manifest.isolated && cfg!(unix));
    real.and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_else(|| places.inside_sources.to_owned())
}

fn has_variable(workspace: &Workspace, name: &str) -> bool {
    let placeholders = workspace.secrets.iter().flat_map(|secret| &secret.env_names);
    let variables = workspace.environment.iter().map(|variable| &variable.name);
    variables.chain(placeholders).any(|other| other == name)
}

/// Says what the agent does not get.
fn warn(workspace: &Workspace, config: &WorkspaceConfig, manifest: &Manifest, notes: &Notes) {
    let name = &workspace.agent.name;
    let agent = agents::find(name);
    let lost = [
        ("mcp", agent.is_none_or(|it| it.mcp.is_none()) && config.mcp != Mcp::default()),
        ("skills", agent.is_none_or(|it| it.skills.is_none()) && !config.skills.is_empty()),
    ];
    for (field, _) in lost.iter().filter(|(_, is_lost)| *is_lost) {
        notes.say(&format!("Warning: {field:?} of the configuration is not passed on to agent {name:?}"));
    }
    let Some(model) = &workspace.model else { return };
    if agent.is_none_or(|it| it.model.is_none()) {
        notes.say(&format!("Warning: model {model:?} is not passed on to agent {name:?}"));
    } else if manifest.isolated
        && manifest.host_address.is_none()
        && let Some(url) = ModelId::parse(model).base_url.filter(|url| localhost::is_local(url))
    {
        notes.say(&format!(
            "Warning: runtime {:?} names no address of this machine, so {url} may not be reached",
            manifest.r#type
        ));
    }
}
