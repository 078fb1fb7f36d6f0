//! The instances of one storage folder: containers that bear its path as a label.

mod arguments;
mod create;
mod explain;
mod home;
mod info;
mod known;
mod lock;
mod network;
mod points;
mod ports;
mod remove;
mod start;
mod stop;
mod terminal;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kdn_protocol::{Forward, Instance};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::engine::{Container, Engine};
use crate::error::{Error, Result};

use known::Seen;
use points::Point;

/// The label with the workspace's id.
const WORKSPACE: &str = "kdn.workspace";
/// The label with the storage folder.
const SCOPE: &str = "kdn.scope";
/// The label with the rest of what is to be known of an instance.
const INSTANCE: &str = "kdn.instance";
/// What follows the name of a container while it is being made.
const UNFINISHED: &str = "-unfinished";

/// What is to be known of an instance, frozen at `create`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Facts {
    name: String,
    /// The container's name. One that has another is not ours any more.
    container: String,
    image: String,
    source: String,
    agent: String,
    /// What the host starts the agent with.
    command: Vec<String>,
    #[serde(default)]
    forwards: Vec<Forward>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    points: Vec<Point>,
    /// What is mounted of the host, beside the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<PathBuf>,
    /// Whether it may run out of memory before the machine does.
    #[serde(default)]
    limits_memory: bool,
}

/// The instances of a storage folder, which other drivers may share.
#[derive(Debug, Clone)]
pub struct Instances {
    engine: Engine,
    storage: PathBuf,
    config: Config,
    /// The storage folder, as labels have it.
    scope: String,
    /// The size of a page of `list`, in bytes.
    page: usize,
    seen: Arc<Mutex<Option<Seen>>>,
}

/// A container of ours.
#[derive(Debug, Clone)]
enum Found {
    Ours {
        container: Container,
        facts: Box<Facts>,
    },
    /// Its creation was cut short.
    Unfinished(Container),
    /// A member of a pod that another program made for a workspace.
    Foreign(Container),
}

impl Found {
    const fn container(&self) -> &Container {
        match self {
            Self::Ours { container, .. } | Self::Unfinished(container) | Self::Foreign(container) => {
                container
            }
        }
    }
}

impl Instances {
    pub fn new(engine: Engine, storage: PathBuf, page: usize) -> Self {
        let config = Config::new(&storage, engine.table().name);
        let scope = storage.to_string_lossy().into_owned();
        Self { engine, storage, config, scope, page, seen: Arc::default() }
    }

    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What a container is to this storage folder.
    fn sort(&self, container: Container) -> Option<Found> {
        if container.labels.contains_key(WORKSPACE) {
            if container.labels.get(SCOPE) != Some(&self.scope) {
                return None;
            }
            let facts = container
                .labels
                .get(INSTANCE)
                .and_then(|label| serde_json::from_str::<Box<Facts>>(label).ok());
            return match facts {
                Some(facts) if facts.container == container.name => Some(Found::Ours { container, facts }),
                Some(facts) if container.name.starts_with(&format!("{}{UNFINISHED}", facts.container)) => {
                    Some(Found::Unfinished(container))
                }
                // Someone renamed it: they have taken it over.
                Some(_) => None,
                None => Some(Found::Unfinished(container)),
            };
        }
        (container.pod.is_some() && self.pods().contains(&container.id)).then_some(Found::Foreign(container))
    }

    /// The ids of containers in the pods of workspaces that another program made with this storage folder.
    fn pods(&self) -> Vec<String> {
        let folders = std::fs::read_dir(self.storage.join("pods")).into_iter().flatten().flatten();
        folders.filter_map(|folder| folder.file_name().into_string().ok()).collect()
    }

    /// The instance with this id.
    async fn find(&self, id: &str) -> Result<Found> {
        let gone = || Error::instance_not_found(id);
        // What is no id of a container is none of an instance either, and may mean something to the engine.
        if !is_container_id(id) {
            return Err(gone());
        }
        let containers = self.engine.containers(&[format!("id={id}")]).await?;
        let container = containers.into_iter().find(|container| container.id == id).ok_or_else(gone)?;
        self.sort(container).ok_or_else(gone)
    }

    /// All instances.
    async fn all(&self) -> Result<Vec<Found>> {
        let filter = format!("label={SCOPE}={}", self.scope);
        // Filters of two kinds must both let a container through, so for those of pods all are asked for.
        let filters = if self.pods().is_empty() { vec![filter] } else { Vec::new() };
        Ok(self
            .engine
            .containers(&filters)
            .await?
            .into_iter()
            .filter_map(|container| self.sort(container))
            .collect())
    }
}

fn is_container_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What the protocol says of an instance.
fn instance(container: &Container, facts: &Facts) -> Instance {
    let workspace = container.labels.get(WORKSPACE).map_or("", String::as_str);
    let (state, reason) = info::state(&container.status);
    let mut instance = Instance::new(&container.id, workspace, &facts.name, state);
    instance.reason = reason;
    instance.forwards.clone_from(&facts.forwards);
    let info = [
        ("container_id", &container.id),
        ("container_name", &container.name),
        ("image_name", &facts.image),
        ("source_path", &facts.source),
        ("agent", &facts.agent),
    ];
    instance.info = info.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    instance
}
