//! `start`: the last checks, the network policy of now, and the mark that the instance runs.

use std::collections::BTreeMap;

use kdn_protocol::{Error, Instance, Secret, StartParams, State, Workspace, driver::Context};

use crate::{ports, step, store::Store};

pub(crate) async fn start(store: &Store, params: StartParams, context: &Context) -> Result<Instance, Error> {
    let Some((record, _claim)) = store.claim(&params.id)? else {
        return Err(Error::instance_not_found(&params.id));
    };
    if record.state == State::Running {
        return Ok(record.into_instance());
    }
    record.check_whole()?;
    if let Some(workspace) = &record.workspace {
        check_secrets(workspace, &params.secret_values)?;
    }
    let delay = record.step_delay();
    step::step(context, delay, "Applying network policy", "Network policy applied").await?;
    step::step(context, delay, "Starting instance", "Instance started").await?;
    store.change(|book| {
        ports::check_free(&params.id, book)?;
        let record = book.get_mut(&params.id)?;
        record.state = State::Running;
        record.set_network(&params.network);
        Ok(record.clone().into_instance())
    })
}

/// Whether each secret of the workspace came with its value.
fn check_secrets(workspace: &Workspace, values: &BTreeMap<String, Secret<String>>) -> Result<(), Error> {
    let injected = workspace.secrets.iter().map(|secret| &secret.name);
    let environment = workspace.environment.iter().filter_map(|variable| variable.secret.as_ref());
    for name in injected.chain(environment) {
        if !values.contains_key(name) {
            let message = format!("the value of secret {name:?} did not come");
            return Err(Error::invalid_workspace(format!("secretValues.{name}"), message)
                .hint(format!("make it: `kdn secret create {name}`")));
        }
    }
    Ok(())
}
