//! The secrets of a workspace: which ones, and their values when it starts.

use std::collections::BTreeMap;

use kdn_protocol::{Capabilities, Secret, Workspace};

use super::Manager;
use crate::{output::CommandError, secrets::Error};

/// The values of secrets, by name.
pub(super) type Values = BTreeMap<String, Secret<String>>;

/// The secrets whose values a driver needs. Those of variables are in the runtime's own store, where it has one: what
/// is meant for requests must not get inside because its name is the same.
pub(super) fn needed(workspace: &Workspace, capabilities: &Capabilities) -> Vec<String> {
    let injected = workspace.secrets.iter().map(|secret| &secret.name);
    let variables = workspace.environment.iter().filter_map(|variable| variable.secret.as_ref());
    let variables = variables.filter(|_| capabilities.runtime_secrets.is_none());
    let mut names: Vec<String> = injected.chain(variables).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Manager {
    /// The values of these secrets.
    pub(super) async fn secret_values(&self, names: &[String]) -> Result<Values, CommandError> {
        self.secrets.values(names).await.map_err(failed)
    }

    /// Makes sure that these secrets are there, without a look at their values; none come back.
    pub(super) fn find_secrets(&self, names: &[String]) -> Result<Values, CommandError> {
        if !names.is_empty() {
            self.secrets.check(names).map_err(failed)?;
        }
        Ok(Values::new())
    }
}

fn failed(error: Error) -> CommandError {
    match error {
        Error::Interrupted => error.into(),
        error => CommandError::from(error).context("failed to get the secrets of the workspace"),
    }
}
