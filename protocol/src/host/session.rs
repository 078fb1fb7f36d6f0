//! What a host does with a driver: ask what it is, or open a session, call methods, close it.

use std::{fmt, path::Path, path::PathBuf, sync::atomic::Ordering};

use crate::{
    Empty, Error, ErrorKind, Flag, InitializeParams, Manifest, Method, PROTOCOL_VERSION, PROTOCOL_VERSIONS,
    method::{Flags, Initialize, Type},
};

use super::{Deadline, Ending, Event, HostError, Interrupts, Launch, call::call, connection::Connection};

/// What sees the events of a call, in their order, all of them before the call returns.
pub type Observer<'a> = &'a mut (dyn FnMut(Event) + Send);

/// For a call whose events nobody wants to see.
pub fn ignore_events(_: Event) {}

/// An initialized driver process.
///
/// [`close`](Self::close) ends it and waits for its end. When a session is dropped, its process group is killed.
pub struct Session {
    connection: Connection,
    manifest: Manifest,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("driver", &self.connection.driver).finish_non_exhaustive()
    }
}

impl Session {
    /// Starts the driver and opens a session. `storage_dir` is where the driver keeps its state.
    pub async fn open(
        launch: &Launch,
        storage_dir: PathBuf,
        interrupts: Interrupts,
    ) -> Result<Self, HostError> {
        let connection = Connection::open(launch, interrupts)?;
        match initialize(&connection, launch, storage_dir).await {
            Ok(manifest) => {
                connection.cancellable.store(manifest.capabilities.cancellation.is_some(), Ordering::Relaxed);
                Ok(Self { connection, manifest })
            }
            Err(error) => {
                connection.close().await;
                Err(error)
            }
        }
    }

    /// What the driver is, with the capabilities that are effective on this machine.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The driver's executable.
    pub fn path(&self) -> &Path {
        &self.connection.path
    }

    /// Calls a method within the time that the protocol gives it.
    pub async fn call<M: Method>(
        &self,
        params: &M::Params,
        observer: Observer<'_>,
    ) -> Result<M::Result, HostError> {
        self.call_within::<M>(params, Deadline::of(M::NAME), observer).await
    }

    /// Calls a method within `deadline`. One that the driver does not declare is refused without asking it.
    ///
    /// The first interrupt cancels the request; the call then still returns the driver's answer: an error of kind
    /// `cancelled`, or the result if that was faster.
    pub async fn call_within<M: Method>(
        &self,
        params: &M::Params,
        deadline: Deadline,
        observer: Observer<'_>,
    ) -> Result<M::Result, HostError> {
        if !self.manifest.capabilities.has_method(M::NAME) {
            let (driver, error) =
                (self.connection.driver.clone(), Box::new(Error::method_not_found(M::NAME)));
            return Err(HostError::Refused { driver, method: M::NAME, error });
        }
        call::<M>(&self.connection, params, deadline, observer).await
    }

    /// Lets the calls from here on go their way in spite of the interrupts so far: for cleaning up after one.
    pub fn acknowledge_interrupts(&self) {
        self.connection.interrupts().acknowledge();
    }

    /// Ends the session: `shutdown`, the end of stdin, and signals for a driver that does not go by itself.
    pub async fn close(self) -> Ending {
        self.connection.close().await
    }
}

/// What a driver says without a session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Described {
    /// What it is, and the most that it can do anywhere.
    pub manifest: Manifest,
    /// The options that its `create` takes.
    pub flags: Vec<Flag>,
}

/// Starts a driver, asks what it is, and ends it.
pub async fn describe(launch: &Launch) -> Result<Described, HostError> {
    let connection = Connection::open(launch, Interrupts::never())?;
    let described = async {
        let deadline = Deadline::of(Type::NAME);
        let manifest = call::<Type>(&connection, &Empty {}, deadline, &mut ignore_events).await?;
        check(launch, &manifest)?;
        let deadline = Deadline::of(Flags::NAME);
        let flags = call::<Flags>(&connection, &Empty {}, deadline, &mut ignore_events).await?.flags;
        Ok(Described { manifest, flags })
    }
    .await;
    connection.close().await;
    described
}

async fn initialize(
    connection: &Connection,
    launch: &Launch,
    storage_dir: PathBuf,
) -> Result<Manifest, HostError> {
    let params = InitializeParams::new(launch.host.clone(), storage_dir);
    let deadline = Deadline::of(Initialize::NAME);
    let result = call::<Initialize>(connection, &params, deadline, &mut ignore_events).await;
    let result = result.map_err(|error| say_what_to_update(error, launch))?;
    if !PROTOCOL_VERSIONS.contains(&result.protocol_version) {
        let reason = format!("chose protocol version {}, which was not offered", result.protocol_version);
        return Err(mismatch(launch, reason));
    }
    check(launch, &result.manifest)?;
    Ok(result.manifest)
}

fn say_what_to_update(mut error: HostError, launch: &Launch) -> HostError {
    if let HostError::Refused { error, .. } = &mut error
        && error.kind() == ErrorKind::VersionMismatch
    {
        let newest = error.data.supported.iter().flatten().max();
        let (driver, path) = (&launch.r#type, launch.path.display());
        let hint = match newest {
            Some(newest) if *newest > PROTOCOL_VERSION => {
                let host = &launch.host.name;
                format!("update {host}, which is older than the runtime driver {driver:?} at {path}")
            }
            _ => format!(
                "update the runtime driver {driver:?} at {path}, which is older than {}",
                launch.host.name
            ),
        };
        error.data.hints.push(hint);
    }
    error
}

fn check(launch: &Launch, manifest: &Manifest) -> Result<(), HostError> {
    if manifest.r#type != launch.r#type {
        return Err(mismatch(launch, format!("says that its type is {:?}", manifest.r#type)));
    }
    if manifest.isolated && (manifest.workspace_sources_path.is_none() || manifest.workspace_home.is_none()) {
        let reason = "does not say where sources and home are in a workspace, and yet isolates";
        return Err(mismatch(launch, reason.into()));
    }
    Ok(())
}

fn mismatch(launch: &Launch, reason: String) -> HostError {
    HostError::Mismatch { driver: launch.r#type.clone(), path: launch.path.clone(), reason }
}
