//! Makes an instance: its image, then its container, which gets its name when it is complete.

use kdn_protocol::driver::Context;
use kdn_protocol::{Instance, Workspace};
use sha2::{Digest, Sha256};

use super::{Facts, Found, Instances, UNFINISHED, WORKSPACE, home, instance, network, points, ports};
use crate::engine::{Container, Status, keep_alive};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{self, HOME, Recipe};

/// How many ids a rootless podman usually gives to what it builds.
const BUILD_IDS: u32 = 65536;
/// Who works inside where the host has no numbers for users, or such as can't be used.
const NOBODYS: (u32, u32) = (1000, 1000);

impl Instances {
    /// Makes an instance for a workspace, or returns the one it has.
    pub async fn create(&self, workspace: &Workspace, context: &Context) -> Result<Instance> {
        let lock = self.lock(&workspace.workspace_id).await?;
        self.under(&lock).create_locked(workspace, context).await
    }

    async fn create_locked(&self, workspace: &Workspace, context: &Context) -> Result<Instance> {
        self.engine().check().await?;
        if let Some(known) = self.known(workspace).await? {
            return Ok(known);
        }
        network::check(&workspace.network, !workspace.ports.is_empty())?;
        if !workspace.limits.is_empty() {
            self.engine().check_limits(&workspace.limits).await?;
        }
        self.config().write_defaults()?;
        let ids = self.ids(workspace).await?;
        let recipe = Recipe::new(self.config(), workspace, self.engine().table().base_image_flag, ids)?;
        let files = home::archive(&workspace.files, &workspace.mounts, ids.0, ids.1)?;
        let tag = image::tag(&workspace.name);
        let folder = self.storage.join("instances").join(&workspace.workspace_id);
        let prepared = image::prepare(self.engine(), &recipe, folder, context).await?;
        let name = format!("image-{:.16}", prepared.digest);
        let turn = keep_alive(context, self.wait_for_lock(&name, context)).await?;
        let image = image::get(self.under(&turn).engine(), &recipe, &prepared, &tag, context).await?;
        drop((turn, prepared));
        let container = self.container_name(&workspace.name);
        let unfinished = unfinished_name(&container, &workspace.workspace_id);
        context
            .steps()
            .start(format!("Creating workspace container: {container}"), "Workspace container created");
        let made = self.make(workspace, &recipe, &image, &container, files, context).await;
        match made {
            Ok(instance) => Ok(instance),
            Err(error) => {
                let _ = self.delete(&unfinished).await;
                Err(error)
            }
        }
    }

    /// The instance that the workspace has. What is left of one that was cut short is removed.
    async fn known(&self, workspace: &Workspace) -> Result<Option<Instance>> {
        for found in self.all().await? {
            let same = found.container().labels.get(WORKSPACE) == Some(&workspace.workspace_id);
            match found {
                Found::Ours { container, facts } if same => return Ok(Some(instance(&container, &facts))),
                Found::Ours { container, facts } if facts.name == workspace.name => {
                    return Err(Error::new(
                        ErrorKind::AlreadyExists,
                        format!("container {:?} has the name {:?}", container.name, facts.name),
                    )
                    .hint(format!(
                        "remove it if no workspace needs it: {} rm --force {}",
                        self.engine().table().name,
                        container.name
                    )));
                }
                Found::Unfinished(container) if same => self.delete(&container.id).await?,
                _ => {}
            }
        }
        Ok(None)
    }

    async fn make(
        &self,
        workspace: &Workspace,
        recipe: &Recipe,
        image: &str,
        name: &str,
        files: Option<Vec<u8>>,
        context: &Context,
    ) -> Result<Instance> {
        context.check()?;
        // From the choice of a port until everybody can see it.
        let has_ports = !workspace.ports.is_empty();
        let _ports = if has_ports { Some(self.wait_for_lock("ports", context).await?) } else { None };
        let forwards = if has_ports {
            let others = self.engine().containers(&[format!("label={WORKSPACE}")]).await?;
            ports::choose(&workspace.ports, &others)?
        } else {
            Vec::new()
        };
        let facts = Facts {
            name: workspace.name.clone(),
            container: name.to_owned(),
            image: image::tag(&workspace.name),
            source: workspace.source_path.to_string_lossy().into_owned(),
            agent: workspace.agent.name.clone(),
            command: workspace.agent.command.clone(),
            forwards,
            points: points::find(&workspace.source_path, &workspace.mounts),
            mounts: workspace.mounts.iter().map(|mount| mount.host.clone()).collect(),
            limits_memory: workspace.limits.memory_bytes.is_some(),
        };
        let args = self.arguments(workspace, recipe, image, &facts)?;
        let doing = format!("failed to create {} container", self.engine().table().name);
        // A rootless podman may first have to give a whole image to other users.
        let printed = keep_alive(context, self.engine().change(&doing, args))
            .await
            .map_err(|error| self.explain_create(error))?;
        let id = printed.lines().rev().map(str::trim).find(|line| super::is_container_id(line));
        let id =
            id.ok_or_else(|| Error::internal(format!("no id of a container was printed: {printed:?}")))?;
        context.check()?;
        if let Some(files) = files {
            // Docker mounts what there is to mount before it copies.
            points::make(&facts.points);
            let target = format!("{id}:{HOME}");
            let copied =
                self.engine().feed("failed to copy files into the container", ["cp", "-", &target], files);
            keep_alive(context, copied).await?;
        }
        context.check()?;
        let container = Container {
            id: id.to_owned(),
            name: name.to_owned(),
            status: Status::Stopped(None),
            labels: [(WORKSPACE.to_owned(), workspace.workspace_id.clone())].into(),
            ..Container::default()
        };
        self.learn(&container, &facts)?;
        if let Err(error) = self.engine().change("failed to name the container", ["rename", id, name]).await {
            self.forget(id);
            return Err(self.explain_create(error));
        }
        Ok(instance(&container, &facts))
    }

    /// The container of a workspace: a name that is its own also among those of other storage folders.
    fn container_name(&self, workspace: &str) -> String {
        let scope = Sha256::digest(self.scope.as_bytes());
        format!("kdn-{workspace}-{}", data_encoding::HEXLOWER.encode(&scope[..4]))
    }

    /// The ids of the user inside: who owns on the host what is made in the sources.
    async fn ids(&self, workspace: &Workspace) -> Result<(u32, u32)> {
        let host = self.engine().host();
        if !host.rootless && self.engine().is_mapped().await? {
            // Root inside is the user outside.
            return Ok((0, 0));
        }
        #[cfg(unix)]
        if host.ids.is_some_and(|(uid, _)| uid == 0) {
            use std::os::unix::fs::MetadataExt;
            let metadata = std::fs::metadata(&workspace.source_path)?;
            return Ok((metadata.uid(), metadata.gid()));
        }
        let _ = workspace;
        // A build has only so many ids, and those of users from a directory may be beyond.
        let fit = |ids: &(u32, u32)| !host.rootless || ids.0.max(ids.1) < BUILD_IDS;
        Ok(host.ids.filter(fit).unwrap_or(NOBODYS))
    }
}

/// The name of a container while it is being made: its own, also when two workspaces want one name.
pub(super) fn unfinished_name(container: &str, workspace: &str) -> String {
    format!("{container}{UNFINISHED}-{workspace:.8}")
}
