//! What a signal of the host reaches: on Unix the driver and all that it started, elsewhere the driver alone.

use std::{io, process::ExitStatus};

use tokio::process::{Child, Command};

/// What the host asks of a process.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    /// To end. Where a process can't be asked, it is killed.
    Term,
    /// To be gone.
    Kill,
}

#[cfg(unix)]
pub(super) use unix::Group;

#[cfg(unix)]
mod unix {
    use rustix::process::{Pid, Signal as Unix, kill_process_group};

    use super::{Child, Command, ExitStatus, Signal, io};

    /// The process group of a driver, by the id of its first process.
    #[derive(Debug, Clone)]
    pub(in super::super) struct Group(Option<Pid>);

    impl Group {
        /// Has the command start in a group of its own.
        pub(in super::super) fn prepare(command: &mut Command) {
            command.process_group(0);
        }

        pub(in super::super) fn of(child: &Child) -> Self {
            Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
        }

        pub(in super::super) fn signal(&self, signal: Signal) {
            let signal = match signal {
                Signal::Term => Unix::TERM,
                Signal::Kill => Unix::KILL,
            };
            if let Some(group) = self.0 {
                let _ = kill_process_group(group, signal);
            }
        }

        pub(in super::super) async fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
            child.wait().await
        }
    }
}

#[cfg(not(unix))]
pub(super) use other::Group;

#[cfg(not(unix))]
mod other {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::{Child, Command, ExitStatus, Signal, io};

    /// Tells the one who owns the driver's process to kill it.
    #[derive(Debug, Clone, Default)]
    pub(in super::super) struct Group(Arc<Notify>);

    impl Group {
        pub(in super::super) fn prepare(_: &mut Command) {}

        pub(in super::super) fn of(_: &Child) -> Self {
            Self::default()
        }

        pub(in super::super) fn signal(&self, _: Signal) {
            self.0.notify_one();
        }

        pub(in super::super) async fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
            tokio::select! {
                status = child.wait() => return status,
                () = self.0.notified() => {}
            }
            child.start_kill()?;
            child.wait().await
        }
    }
}
