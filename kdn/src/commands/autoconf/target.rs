//! The levels of the configuration that something can be added to, and their names for the user.

use std::path::Path;

use super::vertex::AGENT;
use crate::config::{
    WorkspaceConfig,
    edit::{self, Place},
};

/// A level of the configuration.
pub(super) struct Target {
    place: Place,
    /// What it is called among what is configured.
    pub(super) level: &'static str,
    /// What it is called where one is chosen.
    pub(super) choice: String,
    /// What it is called as a place.
    pub(super) name: &'static str,
}

/// All of them.
pub(super) struct Targets {
    pub(super) global: Target,
    pub(super) project: Target,
    pub(super) local: Target,
    pub(super) claude: Target,
}

impl Targets {
    pub(super) fn new(storage: &Path, configuration: &Path, project: &str) -> Self {
        let target =
            |place, level, choice: &str, name| Target { place, level, choice: choice.to_owned(), name };
        let all = Place::project(storage, "");
        let own = Place::project(storage, project);
        let local = Place::workspace(storage, configuration);
        let agent = Place::agent(storage, AGENT);
        Self {
            global: target(all, "global", "Global (all projects)", "global project config"),
            project: target(own, "project", &format!("Project ({project})"), "project config"),
            local: target(local, "local", "Local (.kaiden/workspace.json)", "local workspace config"),
            claude: target(
                agent,
                "claude agent",
                "Claude agent config (all Claude workspaces)",
                "claude agent config",
            ),
        }
    }

    /// The levels that every workspace of the project has.
    pub(super) fn shared(&self) -> [&Target; 3] {
        [&self.global, &self.project, &self.local]
    }
}

impl Target {
    pub(super) fn read(&self) -> Result<WorkspaceConfig, edit::Error> {
        self.place.read()
    }

    pub(super) fn add(&self, addition: &WorkspaceConfig) -> Result<(), edit::Error> {
        self.place.add(addition)
    }
}

/// The names of those levels that have something, joined; nothing when none has.
pub(super) fn configured(
    targets: &[&Target],
    has: impl Fn(&WorkspaceConfig) -> bool,
) -> Result<Option<String>, edit::Error> {
    let mut levels = Vec::new();
    for target in targets {
        if has(&target.read()?) {
            levels.push(target.level);
        }
    }
    Ok((!levels.is_empty()).then(|| levels.join(", ")))
}
