//! From a method's name and raw params to the driver's handler and a raw result.

use serde_json::value::{RawValue, to_raw_value};

use crate::{
    DashboardResult, Empty, Error, ErrorKind, FlagsResult, InitializeParams, InitializeResult, ListParams,
    Manifest, PROTOCOL_VERSIONS, Workspace,
    frame::{MAX_FRAME_BYTES, MIN_FRAME_LIMIT},
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
            written::<Type>(&D::manifest())
        }
        Flags::NAME => {
            parse::<Flags>(params)?;
            written::<Flags>(&FlagsResult::new(D::flags()))
        }
        Initialize::NAME => written::<Initialize>(&initialize(connection, params).await?),
        Shutdown::NAME => {
            connection.session()?;
            parse::<Shutdown>(params)?;
            connection.shut_down();
            written::<Shutdown>(&Empty {})
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
    if !offers.has_method(method) {
        return Err(Error::method_not_found(method));
    }
    match method {
        Create::NAME => {
            let workspace = parse::<Create>(params)?;
            workspace.validate()?;
            workspace.check_options(&D::flags())?;
            workspace.check_needs(offers)?;
            if let Err(error) = workspace.check_host_paths()
                && !is_known(driver, &workspace).await
            {
                return Err(error);
            }
            written::<Create>(&driver.create(workspace, context).await?)
        }
        Start::NAME => {
            let params = parse::<Start>(params)?;
            params.network.check_needs(offers)?;
            written::<Start>(&driver.start(params, context).await?)
        }
        Stop::NAME => written::<Stop>(&driver.stop(parse::<Stop>(params)?, context).await?),
        Remove::NAME => {
            driver.remove(parse::<Remove>(params)?, context).await?;
            written::<Remove>(&Empty {})
        }
        Info::NAME => written::<Info>(&driver.info(parse::<Info>(params)?.id).await?),
        List::NAME => written::<List>(&driver.list(parse::<List>(params)?).await?),
        GetStatus::NAME => {
            parse::<GetStatus>(params)?;
            written::<GetStatus>(&driver.status().await?)
        }
        ListAgents::NAME => {
            parse::<ListAgents>(params)?;
            written::<ListAgents>(&driver.list_agents().await?)
        }
        Terminal::NAME => {
            let params = parse::<Terminal>(params)?;
            if params.command.is_empty() {
                return Err(invalid_params("the command is empty").field("command"));
            }
            written::<Terminal>(&driver.terminal(params).await?)
        }
        Dashboard::NAME => {
            let url = driver.dashboard(parse::<Dashboard>(params)?.id).await?;
            written::<Dashboard>(&DashboardResult::new(url))
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
    let version = common_version(&params)?;
    if !params.storage_dir.is_absolute() {
        let message = format!("the storage folder \"{}\" is not absolute", params.storage_dir.display());
        return Err(invalid_params(message).field("storageDir"));
    }
    let max = params.limits.max_frame_bytes;
    if !(MIN_FRAME_LIMIT..=MAX_FRAME_BYTES).contains(&max) {
        let message = format!("a frame limit of {max} is not from {MIN_FRAME_LIMIT} to {MAX_FRAME_BYTES}");
        return Err(invalid_params(message).field("limits.maxFrameBytes"));
    }
    let driver = D::open(params).await?;
    let offers = driver.capabilities();
    let manifest = Manifest { capabilities: offers.clone(), ..D::manifest() };
    opening.done(driver, offers);
    connection.wire.limit(max);
    Ok(InitializeResult::new(version, manifest))
}

fn common_version(params: &InitializeParams) -> Result<u32, Error> {
    let offered = &params.protocol_versions;
    PROTOCOL_VERSIONS.iter().copied().find(|version| offered.contains(version)).ok_or_else(|| {
        let message = format!(
            "no protocol version in common: the host speaks {offered:?}, this driver {PROTOCOL_VERSIONS:?}"
        );
        let mut error = Error::new(ErrorKind::VersionMismatch, message);
        error.data.supported = Some(PROTOCOL_VERSIONS.to_vec());
        error
    })
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

fn written<M: Method>(result: &M::Result) -> Outcome {
    to_raw_value(result)
        .map_err(|error| Error::internal(format!("the result of {} can't be written: {error}", M::NAME)))
}
