//! What is alive of an instance: a keeper while it runs, and the processes that carry its mark.

mod environment;
mod exec;
mod forward;
mod gateway;
mod install;
mod keeper;
mod launch;
mod members;
mod owner;
mod process;
mod rules;
mod secrets;
mod tty;

use std::{process::ExitCode, time::Duration};

use kdn_protocol::{Capabilities, Error, Plan, Supported, Workspace};

use crate::store::Place;

pub(crate) use install::install;
pub(crate) use launch::launch;

/// Plays the role that the first argument names; `None`: that of the driver.
pub(crate) fn role() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    match args.next()?.to_str()? {
        keeper::ROLE => Some(keeper::main()),
        exec::ROLE => Some(exec::main(&args.collect::<Vec<_>>())),
        exec::COMMAND => Some(exec::become_command(&args.collect::<Vec<_>>())),
        _ => None,
    }
}

pub(crate) const fn offer(all: &mut Capabilities) {
    all.terminal = Supported::YES;
    all.dashboard = Supported::YES;
    all.ports = Supported::YES;
    all.features = Supported::YES;
    all.secrets = Supported::YES;
    all.secret_environment = Supported::YES;
    all.runtime_secrets = Supported::YES;
}

/// Refuses a workspace that could not be started.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    rules::check(&workspace.secrets)
}

pub(crate) fn is_running(place: &Place) -> bool {
    keeper::look(&place.work).is_some()
}

/// Ends all processes of an instance, those that have not ended after `grace` by force, and then its keeper.
pub(crate) async fn end(place: &Place, grace: Duration) -> Result<(), Error> {
    members::end(&place.mark, grace).await?;
    keeper::kill(&place.work)?;
    // What has slipped through, such as a command that was on its way to the keeper just now.
    members::kill(&place.mark)?;
    crate::files::remove_dir(&place.work)
}

/// Kills the processes of an instance that never ran.
pub(crate) fn kill(place: &Place) -> Result<(), Error> {
    members::kill(&place.mark)
}

/// This executable once more, marked from its first moment on.
pub(crate) fn plan(place: &Place, command: Vec<String>) -> Result<Plan, Error> {
    let work = place.work.to_str().ok_or_else(|| {
        Error::internal(format!("path {:?} is not UTF-8", place.work.display().to_string()))
    })?;
    let mut plan = Plan::own([exec::ROLE.to_owned(), work.to_owned()].into_iter().chain(command));
    plan.env.insert(members::MARK.into(), Some(place.mark.clone()));
    Ok(plan)
}

/// A page of the gateway.
pub(crate) fn dashboard(place: &Place) -> Result<String, Error> {
    let facts = keeper::look(&place.work).ok_or_else(|| Error::internal("the keeper has just ended"))?;
    Ok(format!("http://127.0.0.1:{}/", facts.port))
}
