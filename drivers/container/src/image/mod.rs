//! The image of a workspace: found if one of the same content is there, built otherwise.

mod build;
mod containerfile;
mod context;
mod packages;

use std::path::PathBuf;

use kdn_protocol::driver::Context;
use kdn_protocol::{Feature, Workspace};

use crate::config::{Agent, Config, Image};
use crate::engine::Engine;
use crate::error::{Error, Result};

pub use context::BuildFolder;

/// The user under whom everything runs inside.
pub const USER: &str = "agent";
pub const HOME: &str = "/home/agent";
pub const SOURCES: &str = "/workspace/sources";
/// The label that says what went into an image.
const DIGEST: &str = "kdn.digest";

/// What goes into an image.
#[derive(Debug)]
pub struct Recipe {
    pub image: Image,
    pub agent: Agent,
    pub features: Vec<Feature>,
    /// The ids of the user inside.
    pub uid: u32,
    pub gid: u32,
}

impl Recipe {
    /// From what the user wrote into the configuration, and from what kdn asks for where the user wrote nothing. The option
    /// `base_image` names another base.
    pub fn new(config: &Config, workspace: &Workspace, base_image: &str, ids: (u32, u32)) -> Result<Self> {
        let mut image = config.image()?;
        if let Some(base) = workspace.options.get(base_image) {
            image.base_image = Some(base.clone());
            let wrong = |why| Error::invalid_workspace(format!("options.{base_image}"), why);
            image.validate().map_err(wrong)?;
        }
        let name = &workspace.agent.name;
        let agent = match config.agent(name)? {
            Some(own) => own,
            None if crate::config::names().all(|known| known != name)
                && workspace.agent.install.is_empty() =>
            {
                return Err(config.unknown_agent(name));
            }
            None => {
                let mut agent = Agent::known(name);
                if !workspace.agent.install.is_empty() {
                    agent.run_commands.clone_from(&workspace.agent.install);
                }
                agent
            }
        };
        Ok(Self { image, agent, features: workspace.features.clone(), uid: ids.0, gid: ids.1 })
    }
}

/// The name of a workspace's image. In those of images, one dot or one or two underscores may be between letters, or
/// dashes: whatever else is there becomes a dash.
pub fn tag(workspace: &str) -> String {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut tag = "kdn".to_owned();
    let mut between = "-".to_owned();
    for c in workspace.chars() {
        if !is_letter(c) {
            between.push(c);
            continue;
        }
        let usable = [".", "_", "__"].contains(&&*between) || between.chars().all(|c| c == '-');
        tag += if usable { &between } else { "-" };
        tag.push(c);
        between.clear();
    }
    tag
}

/// What an image is built from.
#[derive(Debug)]
pub struct Prepared {
    folder: BuildFolder,
    /// Of all that goes into the image.
    pub digest: String,
}

impl Prepared {
    /// The name of the image with this content: others can take the name of a workspace away from it.
    fn name(&self) -> String {
        format!("kdn:{:.16}", self.digest)
    }
}

/// Gets the base image, and writes a build folder.
pub async fn prepare(
    engine: &Engine,
    recipe: &Recipe,
    folder: PathBuf,
    context: &Context,
) -> Result<Prepared> {
    let steps = context.steps();
    let folder = BuildFolder::new(folder)?;
    let base = build::base(engine, &recipe.image.base(), &folder, context).await?;
    steps.start("Creating temporary build directory", "Temporary build directory created");
    folder.context()?;
    steps.start("Generating Containerfile", "Containerfile generated");
    let digest = folder.fill(recipe, &base)?;
    Ok(Prepared { folder, digest })
}

/// Gets the image under the name `tag`, and returns its id. Nobody else may do so at the same time: podman would forget names.
pub async fn get(
    engine: &Engine,
    recipe: &Recipe,
    prepared: &Prepared,
    tag: &str,
    context: &Context,
) -> Result<String> {
    let steps = context.steps();
    if let Some(id) = build::find(engine, &prepared.name()).await {
        steps.start(format!("Using container image: {tag}"), "Container image is up to date");
        engine.change("failed to tag the image", ["tag", &id, tag]).await?;
        return Ok(id);
    }
    steps.start(format!("Building container image: {tag}"), "Container image built");
    build::build(engine, recipe, prepared, tag, context).await
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn each_workspace_has_a_name_for_its_image() {
        for (workspace, image) in [
            ("app", "kdn-app"),
            ("a.b_c__d--e", "kdn-a.b_c__d--e"),
            ("a_-b..c___d-", "kdn-a-b-c-d"),
            ("_a", "kdn-a"),
        ] {
            assert_eq!(tag(workspace), image);
        }
    }
}
