//! Stops an instance, and does not return before every process of it has gone.

use std::path::Path;
use std::time::{Duration, Instant};

use kdn_protocol::Instance;
use kdn_protocol::driver::Context;
use rustix::process::{Signal, pidfd_send_signal};

use super::{Instances, OTHERS};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::state::{Liveness, PATIENCE, STATE, State, ends_within, liveness};

impl Instances {
    /// Stops an instance; one that is stopped stays as it is.
    pub fn stop(&self, id: &str, grace: Duration, context: &Context) -> Result<Instance> {
        let folder = self.folder(id)?;
        let mut deadline = Instant::now() + OTHERS;
        loop {
            match liveness(&folder).doing("look at the instance")? {
                Liveness::Running(state) => {
                    context.steps().start("Stopping sandbox", "Sandbox stopped");
                    stop(&folder, &state, grace)?;
                    deadline = Instant::now() + OTHERS;
                }
                Liveness::Stopped(last) => {
                    last.map_or(Ok(()), |last| last.clean_up())?;
                    return self.info(id);
                }
                Liveness::Changing if Instant::now() > deadline => {
                    return Err(Error::new(ErrorKind::Busy, "another change of this workspace is under way"));
                }
                Liveness::Changing => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

fn stop(folder: &Path, state: &State, grace: Duration) -> Result<()> {
    let Some(supervisor) = state.supervisor.open() else {
        // It ended just now.
        return Ok(());
    };
    if let Some(init) = state.init.open() {
        // PID 1 asks every process to end, and ends when they have; the supervisor tidies up and follows.
        let _ = pidfd_send_signal(&init, Signal::TERM);
        if ends_within(&supervisor, grace)? {
            return Ok(());
        }
        let _ = pidfd_send_signal(&init, Signal::KILL);
    }
    if !ends_within(&supervisor, PATIENCE)? {
        // It hangs, or someone has stopped it.
        let _ = pidfd_send_signal(&supervisor, Signal::KILL);
        if !ends_within(&supervisor, PATIENCE)? {
            return Err(Error::internal(format!("process {} does not end", state.supervisor.pid)));
        }
    }
    // The supervisor takes an end by a signal for an accident.
    state.clean_up()?;
    let _ = std::fs::remove_file(folder.join(STATE));
    Ok(())
}
