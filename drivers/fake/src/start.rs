//! `start`: a keeper for the instance, and the mark that it runs.

use kdn_protocol::{Error, ErrorKind, Instance, StartParams, State, driver::Context};

use crate::{live, step, store::Store};

pub(crate) async fn start(store: &Store, params: StartParams, context: &Context) -> Result<Instance, Error> {
    let Some((record, _claim)) = store.claim(&params.id)? else {
        return Err(Error::instance_not_found(&params.id));
    };
    if record.state == State::Running {
        return Ok(record.into_instance());
    }
    record.check_whole()?;
    if !record.source.is_dir() {
        let message = format!("the folder of the sources {} is gone", record.source.display());
        return Err(
            Error::new(ErrorKind::Unavailable, message).hint("bring it back, or remove the workspace")
        );
    }
    let place = store.place(&params.id);
    let delay = record.step_delay();
    step::step(context, delay, "Preparing instance", "Instance prepared").await?;
    if record.reason.is_some() || live::is_running(&place) {
        // It did not end by a `stop`, or its record was changed by hand.
        live::end(&place, std::time::Duration::ZERO).await?;
    }
    let launch = live::launch(&place, &record, &params.secret_values).await?;
    let started = async {
        step::step(context, delay, "Starting instance", "Instance started").await?;
        store.change(|book| {
            let record = book.get_mut(&params.id)?;
            record.state = State::Running;
            record.reason = None;
            Ok(record.clone().into_instance())
        })
    };
    match started.await {
        Ok(instance) => {
            // Until now the keeper would have ended together with this process.
            launch.confirm().await?;
            Ok(instance)
        }
        Err(error) => {
            launch.abandon().await;
            Err(error)
        }
    }
}
