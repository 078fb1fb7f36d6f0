//! The driver's side of a start: a keeper that lives on only if the start is confirmed.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use kdn_protocol::{Error, ErrorKind, Secret};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin},
    time::timeout,
};

use super::{
    environment::Environment,
    keeper::{self, CommandOrder, Order},
    process, rules, secrets,
};
use crate::{files, record::Record, store::Place};

/// How long a keeper may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// A keeper that is ready.
#[derive(Debug)]
pub(crate) struct Launch {
    keeper: Child,
    /// Closed without a confirmation, it ends the keeper.
    control: ChildStdin,
}

/// Starts the keeper of an instance, which takes its ports.
pub(crate) async fn launch(
    place: &Place,
    record: &Record,
    given: &BTreeMap<String, Secret<String>>,
) -> Result<Launch, Error> {
    let order = order(place, record, given)?;
    files::remove_dir(&place.work)?;
    files::create_dir(&place.work)?;
    // The folder stands among the arguments so that people see which keeper it is.
    let mut keeper = process::own(keeper::ROLE)
        .arg(&place.work)
        .current_dir(&place.work)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (Some(mut control), Some(answer)) = (keeper.stdin.take(), keeper.stdout.take()) else {
        return Err(Error::internal("the keeper has no pipes"));
    };
    let ready = timeout(PATIENCE, async {
        let mut order = serde_json::to_vec(&order).map_err(|error| Error::internal(error.to_string()))?;
        order.push(b'\n');
        control.write_all(&order).await?;
        let mut line = String::new();
        BufReader::new(answer).read_line(&mut line).await?;
        serde_json::from_str(&line)
            .unwrap_or_else(|_| Err(Error::internal("the keeper ended without a word")))
    });
    let ready = ready.await.unwrap_or_else(|_| Err(Error::internal("the keeper does not answer")));
    let launch = Launch { keeper, control };
    match ready {
        Ok(()) => Ok(launch),
        Err(error) => {
            launch.abandon().await;
            Err(error)
        }
    }
}

fn order(place: &Place, record: &Record, given: &BTreeMap<String, Secret<String>>) -> Result<Order, Error> {
    let mut environment = Environment::new(place);
    let mut rules = Vec::new();
    if let Some(workspace) = &record.workspace {
        let values = secrets::resolve(workspace, given)?;
        for feature in &workspace.features {
            environment.add_feature(feature);
        }
        environment.add_workspace(workspace, &values);
        rules = rules::with_values(&workspace.secrets, &values)?;
    }
    Ok(Order {
        name: record.name.clone(),
        mark: place.mark.clone(),
        command: CommandOrder { source: record.source.clone(), environment },
        forwards: record.forwards.clone(),
        rules,
    })
}

impl Launch {
    /// From now on the keeper lives until the instance is stopped.
    pub(crate) async fn confirm(mut self) -> Result<(), Error> {
        let told = self.control.write_all(keeper::CONFIRMATION.as_bytes()).await;
        told.map_err(|_| Error::new(ErrorKind::Internal, "the keeper ended before the instance was started"))
    }

    /// Ends the keeper, and waits for that.
    pub(crate) async fn abandon(mut self) {
        let _ = self.keeper.kill().await;
    }
}
