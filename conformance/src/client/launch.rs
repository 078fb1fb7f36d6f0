//! How a driver is started, and how long it is waited for.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::transcript::Transcript;
use crate::{stop::Stop, wait, watch::Watch};

/// How to start the driver under test.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    /// Its whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// How long to wait for the answer to a request that is no change.
    pub(crate) patience: Duration,
    /// How long to wait for the answer to a change.
    pub(crate) long_patience: Duration,
    pub(crate) transcript: Transcript,
    pub(crate) watch: Watch,
    pub(crate) interrupted: Arc<AtomicBool>,
}

impl Launch {
    /// A limit of the protocol, or of the suite, for this patience.
    pub(crate) fn limit(&self, limit: Duration) -> Duration {
        wait::limit(limit, self.patience)
    }

    pub(super) fn check_interrupt(&self) -> Result<(), Stop> {
        if self.interrupted.load(Ordering::Relaxed) { Err(Stop::Interrupted) } else { Ok(()) }
    }

    /// The driver as a host starts it: in its own process group, in the root folder, with the version in its
    /// environment.
    #[expect(clippy::disallowed_methods, reason = "one of the places where the suite starts a process")]
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env(kdn_protocol::PROTOCOL_ENV, "1").envs(&self.env).current_dir("/");
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}
