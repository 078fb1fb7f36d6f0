//! What every command has: the environment, the storage folder, and the user's Ctrl-C.

use std::path::{Path, PathBuf};

use kdn_protocol::host::{Interrupts, OutputSink};

use super::Report;
use crate::{
    env::Env,
    files::absolute,
    output::{CommandError, Notes},
    runtimes::{Catalog, Host, Search},
    secrets::Secrets,
    workspaces::{Manager, Store},
};

/// What every command has.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) env: Env,
    pub(crate) storage: PathBuf,
    pub(crate) interrupts: Interrupts,
}

impl Context {
    pub(crate) fn new(env: Env, interrupts: Interrupts) -> Result<Self, CommandError> {
        let storage = resolve(&env.default_storage())?;
        Ok(Self { env, storage, interrupts })
    }

    /// The same with the storage folder of `--storage`.
    pub(crate) fn with_storage(&self, storage: &Path) -> Result<Self, CommandError> {
        Ok(Self { storage: resolve(storage)?, ..self.clone() })
    }

    /// The workspaces and the drivers, for a command without progress.
    pub(crate) fn manager(&self) -> Manager {
        self.manager_with(None, Notes::default())
    }

    /// The workspaces and the drivers. What they say becomes part of the progress.
    pub(crate) fn reporting_manager(&self, report: &Report) -> Manager {
        self.manager_with(report.stderr(), report.notes())
    }

    /// The secrets, for a command without progress.
    pub(crate) fn secrets(&self) -> Secrets {
        self.secrets_with(&Notes::default())
    }

    fn secrets_with(&self, notes: &Notes) -> Secrets {
        Secrets::new(&self.storage, &self.env, &self.interrupts, notes)
    }

    fn manager_with(&self, stderr: Option<OutputSink>, notes: Notes) -> Manager {
        let own = std::env::current_exe().ok();
        let search = Search::new(&self.env, &self.storage, own.as_deref());
        Manager {
            secrets: self.secrets_with(&notes),
            store: Store::new(&self.storage),
            catalog: Catalog::new(search, &self.storage),
            host: Host { storage: self.storage.clone(), interrupts: self.interrupts.clone(), stderr },
            notes,
        }
    }
}

fn resolve(storage: &Path) -> Result<PathBuf, CommandError> {
    let absolute = absolute(storage)
        .map_err(|error| CommandError::from(error).context("failed to resolve storage directory path"))?;
    if absolute.to_str().is_none() {
        let shown = absolute.display();
        return Err(CommandError::new(format!("storage directory path is not UTF-8: {shown}")));
    }
    Ok(absolute)
}
