//! Other systems than Linux: nothing is alive of an instance, it is a record and a home.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use kdn_protocol::{Capabilities, Error, Plan, Secret, Workspace, driver::Context};

use crate::{record::Record, store::Place};

pub(crate) const fn role() -> Option<ExitCode> {
    None
}

pub(crate) const fn offer(_all: &mut Capabilities) {}

pub(crate) const fn is_running(_place: &Place) -> bool {
    true
}

pub(crate) struct Launch;

pub(crate) async fn launch(
    _place: &Place,
    _record: &Record,
    _given: &BTreeMap<String, Secret<String>>,
) -> Result<Launch, Error> {
    Ok(Launch)
}

impl Launch {
    pub(crate) async fn confirm(self) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) async fn abandon(self) {}
}

pub(crate) async fn end(_place: &Place, _grace: Duration) -> Result<(), Error> {
    Ok(())
}

pub(crate) fn kill(_place: &Place) -> Result<(), Error> {
    Ok(())
}

pub(crate) fn check(_workspace: &Workspace) -> Result<(), Error> {
    Ok(())
}

pub(crate) async fn install(_place: &Place, _workspace: &Workspace, _context: &Context) -> Result<(), Error> {
    Ok(())
}

pub(crate) fn plan(_place: &Place, _command: Vec<String>) -> Result<Plan, Error> {
    Err(Error::method_not_found("terminal"))
}

pub(crate) fn dashboard(_place: &Place) -> Result<String, Error> {
    Err(Error::method_not_found("dashboard"))
}
