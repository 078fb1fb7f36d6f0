//! From the features of the configuration to those that a driver gets.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use kdn_protocol::{Feature, host::Interrupts};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::{
    Error, Problem, archive,
    cache::Cache,
    client::{Client, LARGEST_LAYER, LARGEST_TEXT},
    error::Result,
    local,
    manifest::layers,
    metadata::{Metadata, options_of},
    options,
    order::{Node, order},
    reference::{Reference, Version},
    source::Source,
    stage::{self, Stage},
    tally::Tally,
};
use crate::files;

const FOLDER: &str = "features";
/// How many features a workspace can have, with those that they need.
const MOST: usize = 100;

/// The features of a workspace to be made.
#[derive(Debug)]
pub struct Wanted {
    /// kdn's own folder.
    pub storage: PathBuf,
    /// A name that no other workspace has.
    pub name: String,
    /// The folder of the configuration, where local features are.
    pub configuration: PathBuf,
    /// The options by id.
    pub features: BTreeMap<String, Map<String, Value>>,
}

/// Features that can be installed, as long as this value is there.
#[derive(Debug)]
pub struct Prepared {
    /// In the order of installation.
    pub features: Vec<Feature>,
    /// What the user should know.
    pub warnings: Vec<String>,
    _stage: Stage,
}

/// A feature that is wanted.
struct Item {
    id: String,
    source: Source,
    base: String,
    options: Map<String, Value>,
    /// Whether the user named it, and not another feature.
    declared: bool,
}

impl Item {
    fn new(id: String, options: Map<String, Value>, declared: bool) -> Result<Self> {
        let source = Source::parse(&id)?;
        Ok(Self { base: source.base(), id, source, options, declared })
    }
}

/// Fetches features, and those that they need; checks, orders and configures them.
pub async fn prepare(wanted: Wanted, interrupts: &Interrupts) -> Result<Prepared, Error> {
    let Wanted { storage, name, configuration, features } = wanted;
    let items = declared(features)?;
    let shared = storage.join(FOLDER);
    let stage = Stage::create(&shared, &name)?;
    let worker =
        Worker { client: Client::new(), cache: Cache::new(&shared), configuration, folder: stage.folder() };
    // A thread of its own, which does not keep kdn from ending when the user wants no more of it.
    let (sender, done) = oneshot::channel();
    let thread = std::thread::Builder::new().name("features".to_owned());
    let started = thread.spawn(move || drop(sender.send(worker.run(items))));
    started.map_err(|source| Error::Folder { path: shared, source })?;
    let mut interrupts = interrupts.clone();
    let (features, warnings) = tokio::select! {
        done = done => done.expect("the thread does not panic")?,
        _ = interrupts.next() => return Err(Error::Interrupted),
    };
    Ok(Prepared { features, warnings, _stage: stage })
}

fn declared(features: BTreeMap<String, Map<String, Value>>) -> Result<Vec<Item>, Error> {
    let mut items: Vec<Item> = Vec::new();
    for (id, options) in features {
        let item = Item::new(id, options, true).map_err(Error::Parse)?;
        if let Some(other) = items.iter().find(|other| other.base == item.base) {
            return Err(Error::Order(Problem::Shared(other.id.clone(), item.id, item.base)));
        }
        items.push(item);
    }
    Ok(items)
}

/// What fetches features.
struct Worker {
    client: Client,
    cache: Cache,
    configuration: PathBuf,
    /// Where they go, each into a folder of its own.
    folder: PathBuf,
}

impl Worker {
    fn run(mut self, mut items: Vec<Item>) -> Result<(Vec<Feature>, Vec<String>), Error> {
        let mut fetched: Vec<(PathBuf, Metadata)> = Vec::new();
        let mut warnings = Vec::new();
        while fetched.len() < items.len() {
            let item = &items[fetched.len()];
            let failed = |source| Error::Download { id: item.id.clone(), source };
            let folder = self.folder.join(format!("feature-{}", fetched.len()));
            self.fetch(&item.source, &folder).map_err(failed)?;
            let metadata = Metadata::read(&folder).map_err(failed)?;
            for key in metadata.unsupported() {
                warnings.push(format!("Warning: {key:?} of feature {:?} has no effect", item.id));
            }
            let needed = needed(item, &metadata, &items)?;
            items.extend(needed);
            fetched.push((folder, metadata));
        }
        let nodes: Vec<Node<'_>> = items
            .iter()
            .zip(&fetched)
            .map(|(item, (_, metadata))| Node { id: &item.id, base: &item.base, metadata })
            .collect();
        let feature = |position: usize| {
            let (item, (folder, metadata)) = (&items[position], &fetched[position]);
            let mut feature = Feature::new(&item.id, folder);
            feature.options = options::merge(&metadata.options, &item.options)
                .map_err(|source| Error::Options { id: item.id.clone(), source })?;
            feature.container_env.clone_from(&metadata.container_env);
            Ok(feature)
        };
        let features = order(&nodes).map_err(Error::Order)?.into_iter().map(feature);
        Ok((features.collect::<Result<_, Error>>()?, warnings))
    }

    fn fetch(&mut self, source: &Source, folder: &Path) -> Result<()> {
        stage::create_folder_in(folder)?;
        match source {
            Source::Local(path) => {
                let path = self.configuration.join(path);
                local::copy(&files::absolute(&path).map_err(Problem::file(&path))?, folder)
            }
            Source::Registry(reference) => self.download(reference, folder),
        }
    }

    fn download(&mut self, reference: &Reference, folder: &Path) -> Result<()> {
        let Self { client, cache, .. } = self;
        let manifest = match reference.version {
            // What a tag means can change, and only the registry knows.
            Version::Tag(_) => client.manifest(reference)?,
            Version::Digest(digest) => cache.get(digest, LARGEST_TEXT, || client.manifest(reference))?,
        };
        let mut tally = Tally::default();
        for layer in layers(&manifest)? {
            let archive = cache.get(layer.digest, LARGEST_LAYER, || client.layer(reference, &layer))?;
            archive::unpack(&archive, folder, &mut tally)?;
        }
        Ok(())
    }
}

/// The features that one needs and nobody has named yet. What the user says of one holds.
fn needed(item: &Item, metadata: &Metadata, items: &[Item]) -> Result<Vec<Item>, Error> {
    let failed = |source| Error::Download { id: item.id.clone(), source };
    let mut more: Vec<Item> = Vec::new();
    for (id, value) in &metadata.depends_on {
        let new = Item::new(id.clone(), options_of(value).map_err(failed)?, false).map_err(failed)?;
        if matches!((&item.source, &new.source), (Source::Registry(_), Source::Local(_))) {
            return Err(failed(Problem::LocalDependency(item.id.clone(), new.id)));
        }
        match items.iter().chain(&more).find(|other| other.base == new.base) {
            None => more.push(new),
            Some(other) if other.declared => {}
            Some(other) if other.source != new.source => {
                return Err(Error::Order(Problem::Shared(other.id.clone(), new.id, new.base)));
            }
            Some(other) if other.options != new.options => {
                return Err(Error::Order(Problem::Differs(new.id)));
            }
            Some(_) => {}
        }
    }
    if items.len() + more.len() > MOST {
        return Err(Error::Order(Problem::TooManyFeatures(MOST)));
    }
    Ok(more)
}
