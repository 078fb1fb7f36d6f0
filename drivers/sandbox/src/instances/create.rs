//! Makes an instance: its folder is filled under another name and moved into place when it is complete.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kdn_protocol::driver::Context;
use kdn_protocol::{Forward, Instance, Workspace};

use super::{HOME, Instances, SPEC, Spec, VERSION, home, open_lock, private_folder, remove};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::state::LOCK;
use crate::{agents, file, layout, sys};

/// A folder on its way to become an instance; deleted unless it gets there.
struct Draft {
    folder: PathBuf,
    /// Tells others that someone works on it.
    _lock: File,
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After it was moved into place, there is nothing at this path.
        let _ = remove::delete(&self.folder);
    }
}

impl Instances {
    /// Makes an instance for a workspace, or returns the one it has.
    pub fn create(&self, mut workspace: Workspace, context: &Context) -> Result<Instance> {
        let id = workspace.workspace_id.clone();
        if let Some(instance) = self.look(&id) {
            return Ok(instance);
        }
        context.steps().start("Preparing sandbox", "Sandbox prepared");
        self.check(&mut workspace)?;
        let owner = fs::metadata(&workspace.source_path).doing("look at the sources")?;
        let draft = self.draft(&id)?;
        let home = draft.folder.join(HOME);
        private_folder(&home).doing("make the home")?;
        home::fill(&home, &workspace.files, context)?;
        if rustix::process::geteuid().is_root() {
            home::give(&home, owner.uid(), owner.gid()).doing("give the home to the owner of the sources")?;
        }
        // They may hold what nobody should find in a second place.
        workspace.files.clear();
        context.check()?;

        let _guard = self.guard()?;
        if let Some(instance) = self.look(&id) {
            return Ok(instance);
        }
        let others = self.specs()?;
        if others.iter().any(|other| other.workspace.name == workspace.name) {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("a sandbox named {:?} exists", workspace.name),
            ));
        }
        let forwards = choose_ports(&workspace, &others)?;
        let spec = Spec { version: VERSION, workspace, forwards };
        let bytes = serde_json::to_vec_pretty(&spec).map_err(io::Error::from);
        bytes
            .and_then(|bytes| file::create_synced(&draft.folder.join(SPEC), &bytes))
            .doing("write the instance")?;
        let place = self.storage.join("instances").join(&id);
        fs::rename(&draft.folder, &place).doing("put the instance into place")?;
        File::open(self.storage.join("instances"))
            .and_then(|folder| folder.sync_all())
            .doing("save the instance")?;
        drop(draft);
        self.info(&id)
    }

    /// Refuses what can't be made, and freezes where the user's paths lead.
    fn check(&self, workspace: &mut Workspace) -> Result<()> {
        let agent = &workspace.agent;
        if agents::find(&self.user, &agent.name, &agent.command).is_none() {
            let message = format!("agent {:?} is not installed on this machine", agent.name);
            let hint = format!(
                "install it so that it is found in PATH, or take one of: {}",
                agents::names(&self.user).join(", ")
            );
            return Err(Error::invalid_workspace("agent.name", message).hint(hint));
        }
        let sources = &workspace.source_path;
        if !sources.is_dir() {
            let message = format!("{} is not a folder", sources.display());
            return Err(Error::invalid_workspace("sourcePath", message));
        }
        workspace.source_path = self.resolve("sourcePath", sources)?;
        layout::check_mounts(&workspace.mounts)?;
        for (index, mount) in workspace.mounts.iter_mut().enumerate() {
            mount.host = self.resolve(&format!("mounts[{index}].host"), &mount.host)?;
        }
        self.means.check(&workspace.limits)?;
        match workspace.ports.iter().position(|port| port.protocol != "tcp") {
            Some(index) => {
                let message = format!("forwarding {:?} is not supported", workspace.ports[index].protocol);
                Err(Error::unsupported(message).field(format!("ports[{index}].protocol")))
            }
            None => Ok(()),
        }
    }

    /// Where a path leads now. Links are followed this once: later, an agent that can write to a folder on the way
    /// could have set them.
    ///
    /// Refuses to show our own storage: who can write there, or reach its sockets, is outside of any sandbox.
    fn resolve(&self, field: &str, shown: &Path) -> Result<PathBuf> {
        let storage = self.storage.ancestors().find_map(|folder| folder.canonicalize().ok());
        let inside = self.storage.canonicalize();
        let shown = shown.canonicalize().doing(format_args!("look at {}", shown.display()))?;
        if storage.is_some_and(|storage| storage.starts_with(&shown))
            || inside.is_ok_and(|storage| shown.starts_with(storage))
        {
            let message = format!("{} holds kdn's own storage {}", shown.display(), self.storage.display());
            return Err(Error::invalid_workspace(field, message)
                .hint("choose a folder below it, such as one project"));
        }
        Ok(shown)
    }

    fn draft(&self, id: &str) -> Result<Draft> {
        let _guard = self.guard()?;
        self.sweep();
        let folder = self.storage.join("instances").join(format!(".new-{id}-{}", std::process::id()));
        private_folder(&folder).doing("make the instance's folder")?;
        let lock = open_lock(&folder.join(LOCK)).doing("make the instance's lock")?;
        if !sys::try_lock(&lock).doing("lock the instance")? {
            return Err(Error::new(ErrorKind::Busy, "this workspace is being created"));
        }
        Ok(Draft { folder, _lock: lock })
    }

    fn specs(&self) -> Result<Vec<Spec>> {
        Ok(self.ids()?.iter().filter_map(|id| Spec::read(&self.folder_of(id)?).ok()).collect())
    }
}

/// Keeps the host ports that were asked for, and finds free ones, which no other instance has, for the rest.
fn choose_ports(workspace: &Workspace, others: &[Spec]) -> Result<Vec<Forward>> {
    let taken =
        |port: u16| others.iter().flat_map(|other| &other.forwards).any(|forward| forward.port == port);
    let free = |bind| -> io::Result<u16> {
        // The kernel hands out a port that is free now; the listeners are kept so that it never gives one twice.
        let mut tried = Vec::new();
        loop {
            let listener = TcpListener::bind(SocketAddr::new(bind, 0))?;
            let port = listener.local_addr()?.port();
            if !taken(port) {
                return Ok(port);
            }
            tried.push(listener);
        }
    };
    let mut forwards: Vec<Forward> = Vec::new();
    for port in &workspace.ports {
        let host = match port.host {
            Some(host) => host,
            None => loop {
                let host = free(port.bind).doing(format_args!("find a free port of {}", port.bind))?;
                if forwards.iter().all(|forward| forward.port != host) {
                    break host;
                }
            },
        };
        forwards.push(Forward::new(port.bind, host, port.target));
    }
    Ok(forwards)
}
