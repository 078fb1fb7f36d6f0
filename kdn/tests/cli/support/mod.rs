//! What the tests share: a small world of their own for kdn, and ways to run it there.

mod env;
mod locate;
mod pty;
mod registry;
mod run;
pub(crate) mod schema;

pub(crate) use env::{Env, INIT};
pub(crate) use locate::{built, skip, skip_unless};
pub(crate) use pty::Pty;
pub(crate) use registry::{Answer, Registry, digest};
pub(crate) use run::{Run, Running};

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Waits for something that must happen; what `probe` finds.
pub(crate) fn wait_until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < give_up, "this did not come true: {what}");
        sleep(Duration::from_millis(10));
    }
}
