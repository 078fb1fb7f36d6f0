//! `stop`: first the processes, then their keeper, then the mark that the instance runs.

use std::time::Duration;

use kdn_protocol::{Error, Instance, State, StopParams, driver::Context};

use crate::{live, step, store::Store};

pub(crate) async fn stop(store: &Store, params: &StopParams, context: &Context) -> Result<Instance, Error> {
    let Some((record, _claim)) = store.claim(&params.id)? else {
        return Err(Error::instance_not_found(&params.id));
    };
    if record.state == State::Stopped && record.reason.is_none() {
        return Ok(record.into_instance());
    }
    record.check_whole()?;
    let delay = record.step_delay();
    step::step(context, delay, "Ending processes", "Processes ended").await?;
    let place = store.place(&params.id);
    let end = live::end(&place, Duration::from_secs(params.grace_seconds.into()));
    context.cancellation().run_until_cancelled(end).await.ok_or_else(Error::cancelled)??;
    let stopped = store.change(|book| {
        let record = book.get_mut(&params.id)?;
        record.state = State::Stopped;
        record.reason = None;
        Ok(record.clone().into_instance())
    })?;
    // There is nothing left to cancel.
    let _ = step::step(context, delay, "Stopping instance", "Instance stopped").await;
    Ok(stopped)
}
