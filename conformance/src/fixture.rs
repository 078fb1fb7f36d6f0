//! What a user tells the suite about a driver and its backend.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::Deserialize;
use serde_json::Value;

/// The file that `--fixture` names: JSON, every field of which may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fixture {
    /// Variables of the suite's environment that the driver gets as they are, besides `PATH`: `HOME`,
    /// `XDG_RUNTIME_DIR`, `CONTAINERS_CONF`. Absent: none; `HOME` is an empty folder.
    pub pass_environment: Vec<String>,
    /// Further variables for the driver; `${fixture}` in a value stands for the folder of this file. Absent: none.
    pub environment: BTreeMap<String, String>,
    /// `options` of each `create`. Absent: none.
    pub options: BTreeMap<String, String>,
    /// Options with which changes take at least 20 ms a step, for the checks that interrupt them. Absent: `options`.
    pub slow_options: Option<BTreeMap<String, String>>,
    /// `agent` of each `create`. Absent: the agent `shell` with the command `/bin/sh`.
    pub agent: Option<Value>,
    /// A secret in the backend's own store. Absent: checks of `runtimeSecrets` are skipped.
    pub runtime_secret: Option<StoredSecret>,
    /// Variables with which the driver does not find its backend: a `PATH` that leads nowhere, the address of nobody.
    /// Absent: checks without the backend are skipped.
    pub without_backend: BTreeMap<String, String>,
}

/// A secret that the backend's store has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredSecret {
    /// Its name in the store.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A fixture that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// The file can't be read.
    #[error("can't read the fixture {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file is not a fixture.
    #[error("the fixture {path} does not fit: {source}")]
    Malformed {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Fixture {
    /// Reads a fixture.
    pub fn read(path: &Path) -> Result<Self, FixtureError> {
        let shown = || path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|source| FixtureError::Unreadable { path: shown(), source })?;
        let mut fixture: Self = serde_json::from_str(&text)
            .map_err(|source| FixtureError::Malformed { path: shown(), source })?;
        let folder =
            path.canonicalize().map_err(|source| FixtureError::Unreadable { path: shown(), source })?;
        let folder = folder.parent().unwrap_or(path).to_string_lossy().into_owned();
        for value in fixture.environment.values_mut() {
            *value = value.replace("${fixture}", &folder);
        }
        Ok(fixture)
    }

    /// Whether a field of this name has a value.
    pub fn has(&self, field: &str) -> bool {
        match field {
            "runtimeSecret" => self.runtime_secret.is_some(),
            "slowOptions" => self.slow_options.is_some(),
            "withoutBackend" => !self.without_backend.is_empty(),
            _ => false,
        }
    }
}
