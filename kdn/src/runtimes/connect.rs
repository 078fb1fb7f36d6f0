//! Starting drivers and opening sessions with them.

use std::path::PathBuf;

use kdn_protocol::{
    HostInfo,
    host::{self, HostError, Interrupts, Launch, OutputSink, Session},
};

use super::{Described, Driver};

/// This program as a host of drivers.
#[derive(Clone)]
pub struct Host {
    /// The storage folder of kdn.
    pub storage: PathBuf,
    /// What the user's Ctrl-C does to calls.
    pub interrupts: Interrupts,
    /// Where the stderr of drivers goes, besides error reports.
    pub stderr: Option<OutputSink>,
}

impl Host {
    /// Opens a session with a driver.
    pub async fn open(&self, driver: &Driver) -> Result<Session, HostError> {
        let storage_dir = self.storage.join("runtimes").join(&driver.kind);
        Session::open(&self.launch(driver), storage_dir, self.interrupts.clone()).await
    }

    /// Asks a driver what it is, without a session.
    pub(super) async fn describe(&self, driver: &Driver) -> Result<Described, HostError> {
        let described = host::describe(&self.launch(driver)).await?;
        Ok(Described { manifest: described.manifest, flags: described.flags })
    }

    fn launch(&self, driver: &Driver) -> Launch {
        let host = HostInfo::this_process("kdn", crate::VERSION);
        let mut launch = Launch::new(&driver.kind, &driver.path, host);
        launch.stderr = self.stderr.clone();
        launch
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("storage", &self.storage).finish_non_exhaustive()
    }
}
