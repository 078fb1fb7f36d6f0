//! From a method's name and raw params to the driver's handler and a raw result.

use serde_json::value::{RawValue, to_raw_value};

use crate::{
    DashboardResult, Empty, Error, ErrorKind, FlagsResult, InitializeResult, Manifest, PROTOCOL_VERSIONS,
    method::{
        self, Create, Dashboard, Flags, GetStatus, Info, Initialize, List, ListAgents, Method, Remove,
        Shutdown, Start, Stop, Terminal, Type,
    },
};

use super::{
    Context, Driver,
    connection::{Connection, Session},
};

type Params<'a> = Option<&'a RawValue>;
type Outcome = Result<Box<RawValue>, Error>;

/// Answers one request.
pub(super) async fn dispatch<D: Driver>(
    connection: &Connection<D>,
    method: &str,
    params: Params<'_>,
    context: &Context,
) -> Outcome {
    match method {
        Type::NAME => {
            parse::<Type>(params)?;
            done::<Type>(&D::manifest())
        }
        Flags::NAME => {
            parse::<Flags>(params)?;
            done::<Flags>(&FlagsResult::new(D::flags()))
        }
        Initialize::NAME => done::<Initialize>(&initialize(connection, params).await?),
        Shutdown::NAME => {
            connection.driver()?;
            parse::<Shutdown>(params)?;
            connection.shut_down()?;
            done::<Shutdown>(&Empty {})
        }
        method if method::NAMES.contains(&method) => {
            call(&*connection.session()?, method, params, context).await
        }
        _ => Err(Error::method_not_found(method)),
    }
}

/// A method that needs an open session.
async fn call<D: Driver>(
    Session { driver, offers }: &Session<D>,
    method: &str,
    params: Params<'_>,
    context: &Context,
) -> Outcome {
    match method {
        Create::NAME => {
            let workspace = parse::<Create>(params)?;
            workspace.validate()?;
            workspace.check_needs(&offers)?;
            done::<Create>(&driver.create(workspace, context).await?)
        }
        Start::NAME => {
            let params = parse::<Start>(params)?;
            params.network.check_needs(&offers)?;
            done::<Start>(&driver.start(params, context).await?)
        }
        Stop::NAME => done::<Stop>(&driver.stop(parse::<Stop>(params)?, context).await?),
        Remove::NAME => {
            driver.remove(parse::<Remove>(params)?, context).await?;
            done::<Remove>(&Empty {})
        }
        Info::NAME => done::<Info>(&driver.info(parse::<Info>(params)?.id).await?),
        List::NAME => done::<List>(&driver.list(parse::<List>(params)?).await?),
        GetStatus::NAME if offers.status.is_some() => {
            parse::<GetStatus>(params)?;
            done::<GetStatus>(&driver.status().await?)
        }
        ListAgents::NAME if offers.agents.is_some() => {
            parse::<ListAgents>(params)?;
            done::<ListAgents>(&driver.list_agents().await?)
        }
        Terminal::NAME if offers.terminal.is_some() => {
            let params = parse::<Terminal>(params)?;
            if params.command.is_empty() {
                return Err(invalid_params("the command is empty").field("command"));
            }
            done::<Terminal>(&driver.terminal(params).await?)
        }
        Dashboard::NAME if offers.dashboard.is_some() => {
            let url = driver.dashboard(parse::<Dashboard>(params)?.id).await?;
            done::<Dashboard>(&DashboardResult::new(url))
        }
        _ => Err(Error::method_not_found(method)),
    }
}

/// Whether `create` only has to say again what it made. What it was made of may be gone by then.
async fn is_known<D: Driver>(driver: &D, workspace: &Workspace) -> bool {
    let instances = driver.list(ListParams::workspaces(vec![workspace.workspace_id.clone()])).await;
    instances.is_ok_and(|list| list.instances.iter().any(|i| i.workspace_id == workspace.workspace_id))
}

async fn initialize<D: Driver>(
    connection: &Connection<D>,
    params: Params<'_>,
) -> Result<InitializeResult, Error> {
    let opening = connection.begin_open()?;
    let params = parse::<Initialize>(params)?;
    let version =
        *PROTOCOL_VERSIONS.iter().find(|v| params.protocol_versions.contains(v)).ok_or_else(|| {
            let message = format!(
                "no protocol version in common: the host speaks {:?}, this driver {PROTOCOL_VERSIONS:?}",
                params.protocol_versions
            );
            let mut error = Error::new(ErrorKind::VersionMismatch, message);
            error.data.supported = Some(PROTOCOL_VERSIONS.to_vec());
            error
        })?;
    connection.wire.limit(params.limits.max_frame_bytes);
    let driver = Arc::new(D::open(params).await?);
    let manifest = Manifest { capabilities: driver.capabilities(), ..D::manifest() };
    opening.done(driver);
    Ok(InitializeResult::new(version, manifest))
}

fn parse<M: Method>(params: Params<'_>) -> Result<M::Params, Error> {
    let text = params.map_or("{}", RawValue::get);
    if !text.starts_with('{') {
        return Err(invalid_params(format!("the params of {} are not an object", M::NAME)));
    }
    serde_json::from_str(text)
        .map_err(|error| invalid_params(format!("the params of {} do not fit: {error}", M::NAME)))
}

fn invalid_params(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidParams, message)
}

fn done<M: Method>(result: &M::Result) -> Outcome {
    to_raw_value(result)
        .map_err(|error| Error::internal(format!("the result of {} can't be written: {error}", M::NAME)))
}
