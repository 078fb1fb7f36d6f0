//! `remove`: what is left of the processes, the home, and last the record.

use std::time::Duration;

use kdn_protocol::{Error, ErrorKind, State, driver::Context};

use crate::{files, live, step, store::Store};

pub(crate) async fn remove(store: &Store, id: &str, context: &Context) -> Result<(), Error> {
    let Some((record, _claim)) = store.claim(id)? else {
        return Ok(());
    };
    if record.state == State::Running {
        let message = format!("instance {id} is still running");
        return Err(Error::new(ErrorKind::InvalidState, message)
            .hint(format!("stop it first: `kdn stop {}`", record.name)));
    }
    let delay = record.step_delay();
    let place = store.place(id);
    // There is no way back, so a cancellation only hurries it.
    let _ = step::step(context, delay, "Checking instance", "Instance checked").await;
    if record.reason.is_some() || live::is_running(&place) {
        live::end(&place, Duration::ZERO).await?;
    }
    let _ = step::step(context, delay, "Removing instance", "Instance removed").await;
    // The record goes last: as long as something is left, it can be removed again.
    files::remove_dir(&place.home)?;
    files::remove_dir(&place.work)?;
    store.change(|book| {
        book.instances.remove(id);
        Ok(())
    })
}
