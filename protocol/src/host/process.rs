//! The driver's process: started in a group of its own, and ended with all of it.

use std::{fmt, path::PathBuf, process::ExitStatus, process::Stdio, sync::Arc, time::Duration};

use tokio::{
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{HostInfo, PROTOCOL_ENV, PROTOCOL_VERSION};

use super::{
    HostError, Stopwatch,
    group::{Group, Signal},
    redact::Redactor,
    stderr::StderrTail,
};

/// Takes what a driver prints on stderr, as it comes.
pub type OutputSink = Arc<dyn Fn(&str) + Send + Sync>;

/// Which driver to start, and for whom.
#[derive(Clone)]
pub struct Launch {
    /// The type, by the name of the executable.
    pub r#type: String,
    /// The absolute path of the executable.
    pub path: PathBuf,
    /// Arguments; none for a driver that is found by its name.
    pub args: Vec<String>,
    /// The host's name and version.
    pub host: HostInfo,
    /// Where the driver's stderr goes besides the error reports. `None`: nowhere.
    pub stderr: Option<OutputSink>,
}

impl Launch {
    /// A driver at `path`, without a place for its stderr.
    pub fn new(r#type: impl Into<String>, path: impl Into<PathBuf>, host: HostInfo) -> Self {
        Self { r#type: r#type.into(), path: path.into(), args: Vec::new(), host, stderr: None }
    }
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch").field("type", &self.r#type).field("path", &self.path).finish_non_exhaustive()
    }
}

/// How long a driver may take from TERM to its end.
const AFTER_TERM: Duration = Duration::from_secs(2);
/// How long to wait for the rest of stderr when the process has ended: something may hold the pipe open.
const STDERR_REST: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Process {
    /// Waits for the end of the child, and owns it.
    waiter: JoinHandle<()>,
    fate: watch::Receiver<Fate>,
    group: Group,
    stderr: StderrTail,
    /// Until it has been waited for.
    stderr_reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Running,
    /// `None`: the system did not tell the status.
    Ended(Option<ExitStatus>),
}

impl Process {
    /// Starts the driver; `ended` is cancelled when the process has ended, which its stdout need not show: a child may
    /// hold that open.
    pub(super) fn spawn(
        launch: &Launch,
        redactor: Redactor,
        ended: CancellationToken,
    ) -> Result<(Self, ChildStdin, ChildStdout), HostError> {
        let failed =
            |source| HostError::Start { driver: launch.r#type.clone(), path: launch.path.clone(), source };
        #[expect(clippy::disallowed_methods, reason = "the one place of this crate that starts a process")]
        let mut command = Command::new(&launch.path);
        command
            .args(&launch.args)
            .env(PROTOCOL_ENV, PROTOCOL_VERSION.to_string())
            .current_dir(if cfg!(windows) { "\\" } else { "/" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Group::prepare(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(err)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(std::io::Error::other("its pipes are missing")));
        };
        let stderr = StderrTail::default();
        let stderr_reader = Some(tokio::spawn(stderr.clone().read(err, redactor, launch.stderr.clone())));
        let group = Group::of(&child);
        let (sender, fate) = watch::channel(Fate::Running);
        let waiter = tokio::spawn(wait(child, group.clone(), sender, ended));
        Ok((Self { waiter, fate, group, stderr, stderr_reader }, stdin, stdout))
    }

    /// Sends a signal to the whole group of a process that has not ended.
    pub(super) fn signal(&self, signal: Signal) {
        if matches!(*self.fate.borrow(), Fate::Running) {
            self.group.signal(signal);
        }
    }

    /// Waits for the end of the process: `patience` of its own will, then 2 s after TERM, then KILL. Says also
    /// whether it took a signal. What is left of its group is killed.
    pub(super) async fn end(&mut self, patience: Duration) -> (Option<ExitStatus>, bool) {
        let mut forced = false;
        let mut status = Stopwatch::start().within(patience, self.wait()).await;
        if status.is_none() {
            forced = true;
            self.signal(Signal::Term);
            status = Stopwatch::start().within(AFTER_TERM, self.wait()).await;
        }
        let status = if let Some(status) = status {
            status
        } else {
            self.signal(Signal::Kill);
            self.wait().await
        };
        if let Some(mut reader) = self.stderr_reader.take()
            && Stopwatch::start().within(STDERR_REST, &mut reader).await.is_none()
        {
            reader.abort();
        }
        (status, forced)
    }

    async fn wait(&mut self) -> Option<ExitStatus> {
        let ended = self.fate.wait_for(|fate| matches!(fate, Fate::Ended(_))).await;
        ended.ok().and_then(|fate| if let Fate::Ended(status) = *fate { status } else { None })
    }

    pub(super) fn stderr(&self) -> &StderrTail {
        &self.stderr
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
        self.waiter.abort();
        if let Some(reader) = &self.stderr_reader {
            reader.abort();
        }
    }
}

/// Waits for a process, and kills what it leaves behind in its group.
async fn wait(mut child: Child, group: Group, fate: watch::Sender<Fate>, ended: CancellationToken) {
    let ending = group.wait(&mut child).await.ok();
    group.signal(Signal::Kill);
    fate.send_replace(Fate::Ended(ending));
    ended.cancel();
}
