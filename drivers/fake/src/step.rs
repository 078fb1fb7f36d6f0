//! One step of a change: told to the host, then a moment in which it can be cancelled.

use std::time::Duration;

use kdn_protocol::{Error, driver::Context};

/// Opens a step and lets `delay` pass, and other requests run; an error once the request is cancelled.
pub(crate) async fn step(
    context: &Context,
    delay: Duration,
    in_progress: &str,
    completed: &str,
) -> Result<(), Error> {
    context.check()?;
    context.steps().start(in_progress, completed);
    if delay.is_zero() {
        // A sleep of nothing would still last until the next tick of the timer.
        tokio::task::yield_now().await;
        context.check()
    } else {
        let sleep = tokio::time::sleep(delay);
        context.cancellation().run_until_cancelled(sleep).await.ok_or_else(Error::cancelled)
    }
}

/// Takes `count` steps as fast as the host reads them.
pub(crate) async fn burst(context: &Context, count: u64) -> Result<(), Error> {
    for i in 1..=count {
        context.steps().start(format!("Taking step {i} of {count}"), format!("Step {i} of {count} taken"));
        context.steps().complete();
        if i % 64 == 0 {
            tokio::task::yield_now().await;
            context.check()?;
        }
    }
    Ok(())
}
