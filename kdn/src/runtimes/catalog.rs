//! The drivers of this machine, and what is known of them.

use std::path::Path;

use kdn_protocol::{Flag, Manifest, host::HostError};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Driver, Host, Rejected, Search, cache::Cache};
use crate::output::CommandError;

/// What a driver says of itself without a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// What it is.
    pub manifest: Manifest,
    /// The options that its `create` takes.
    pub flags: Vec<Flag>,
}

/// The drivers of this machine.
#[derive(Debug, Clone)]
pub struct Catalog {
    search: Search,
    cache: Cache,
}

impl Catalog {
    /// The drivers that `search` finds; what they say is kept in the storage folder.
    pub fn new(search: Search, storage: &Path) -> Self {
        Self { search, cache: Cache::new(storage) }
    }

    /// The driver of a type.
    pub fn find(&self, kind: &str) -> Result<Driver, CommandError> {
        let (found, rejected) = self.search.find(kind);
        found.ok_or_else(|| {
            let mut error = CommandError::new(format!("failed to get runtime: runtime not found: {kind}"));
            for Rejected { path, why, .. } in &rejected {
                error = error.with_hint(format!("{} was not used: {why}", path.display()));
            }
            if rejected.is_empty() {
                error = error.with_hint(format!(
                    "Put its driver, an executable named kdn-runtime-{kind}, on PATH; 'kdn runtime list' shows those \
                     that are there"
                ));
            }
            error
        })
    }

    /// All drivers, by their types, with the files that are not used.
    pub fn all(&self) -> (Vec<Driver>, Vec<Rejected>) {
        self.search.all()
    }

    /// What a driver says of itself: from the cache, or by asking it.
    pub async fn describe(&self, host: &Host, driver: &Driver) -> Result<Described, HostError> {
        if let Some(described) = self.cache.get(&driver.path) {
            return Ok(described);
        }
        let described = host.describe(driver).await?;
        self.cache.put(&driver.path, &described);
        Ok(described)
    }

    /// A driver that said something else in a session than is known of it, is known by that from now on. What it can
    /// do at most, a session does not tell.
    pub fn saw(&self, driver: &Driver, manifest: &Manifest) {
        let Some(known) = self.cache.get(&driver.path) else { return };
        let capabilities = known.manifest.capabilities.clone();
        let mut seen = manifest.clone();
        seen.capabilities = capabilities;
        if seen != known.manifest {
            self.cache.put(&driver.path, &Described { manifest: seen, flags: known.flags });
        }
    }

    /// What several drivers say of themselves, asked side by side, in the order of the drivers.
    pub async fn describe_all(
        &self,
        host: &Host,
        drivers: Vec<Driver>,
    ) -> Vec<(Driver, Result<Described, HostError>)> {
        let mut tasks = JoinSet::new();
        for (position, driver) in drivers.into_iter().enumerate() {
            let (catalog, host) = (self.clone(), host.clone());
            tasks.spawn(async move {
                let described = catalog.describe(&host, &driver).await;
                (position, driver, described)
            });
        }
        let mut all = tasks.join_all().await;
        all.sort_by_key(|(position, ..)| *position);
        all.into_iter().map(|(_, driver, described)| (driver, described)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use kdn_protocol::Supported;

    // SPEC: DISC-16
    #[test]
    fn a_session_corrects_what_is_known_of_a_driver_but_not_what_it_can_do_at_most() {
        let storage = tempfile::tempdir().unwrap();
        let driver = Driver { kind: "x".to_owned(), path: storage.path().join("kdn-runtime-x") };
        crate::files::write_atomic(&driver.path, b"", 0o755).unwrap();
        let catalog = Catalog::new(Search::new(&Env::default(), storage.path(), None), storage.path());
        let mut manifest = Manifest::new("x", "X", "1");
        catalog.saw(&driver, &manifest);
        assert_eq!(catalog.cache.get(&driver.path), None, "a session alone does not tell the flags");

        manifest.capabilities.terminal = Supported::YES;
        catalog.cache.put(&driver.path, &Described { manifest: manifest.clone(), flags: Vec::new() });
        let newer = Manifest::new("x", "X", "2");
        catalog.saw(&driver, &newer);
        manifest.version = "2".to_owned();
        assert_eq!(catalog.cache.get(&driver.path).unwrap().manifest, manifest);
    }
}
