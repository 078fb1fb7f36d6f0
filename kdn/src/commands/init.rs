//! `kdn init`

use std::{fmt::Write as _, path::PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use kdn_protocol::{
    Empty, Readiness,
    host::{Session, ignore_events},
    method::{Flags, GetStatus, ListAgents},
};

use super::{Context, IdResult, Report, WorkspaceResult, args::DriverOptions, features, request::Request};
use crate::{
    agents,
    commands::args::{LogArgs, OutputArg, ProgressArgs},
    model::ModelId,
    output::{CommandError, json, stream, text},
    workspaces::{CREATE, Manager, New, Record},
};

/// The runtime of those who choose none, where it is ready.
pub(super) const DEFAULT_RUNTIME: &str = "sandbox";
const NO_RUNTIME: &str =
    "runtime is required: use --runtime flag or set KDN_DEFAULT_RUNTIME environment variable";
const NO_AGENT: &str = "agent is required: use --agent flag or set KDN_DEFAULT_AGENT environment variable";

/// Register a project directory as a workspace
///
/// Makes an instance of the runtime for it, and prints its id. A runtime may have options of its own:
/// `kdn init --runtime RUNTIME --help` lists them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn init --runtime sandbox --agent claude
  kdn init ~/src/my-project --agent shell --start
  kdn init --name review --agent goose --model ollama::qwen3")]
pub(crate) struct Args {
    /// Project directory
    #[arg(value_name = "SOURCES-DIRECTORY", default_value = ".", value_parser = any_path())]
    pub(super) sources: PathBuf,
    /// Runtime [default: $KDN_DEFAULT_RUNTIME, else sandbox where it is ready]
    #[arg(short, long, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// Agent, or shell for none [default: $KDN_DEFAULT_AGENT]
    #[arg(short, long, value_name = "AGENT")]
    agent: Option<String>,
    /// Model of the agent: MODEL, PROVIDER::MODEL or PROVIDER::MODEL::URL [default: the agent's own]
    #[arg(short, long, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// Name of the workspace [default: name of the directory]
    #[arg(short, long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Project that the workspace belongs to [default: from the git remote]
    #[arg(short, long, value_name = "PROJECT")]
    pub(super) project: Option<String>,
    /// Folder of the workspace's configuration [default: .kaiden in the project directory]
    #[arg(long, value_name = "DIR", value_parser = any_path())]
    pub(super) workspace_configuration: Option<PathBuf>,
    /// Print the merged configuration, and make nothing
    #[arg(long)]
    dump_config: bool,
    /// Start the workspace too [default: $KDN_INIT_AUTO_START]
    #[arg(long)]
    start: bool,
    /// Do not start the workspace, in spite of $KDN_INIT_AUTO_START
    #[arg(long, overrides_with = "start")]
    no_start: bool,
    /// Print the whole workspace, not only its id
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    pub(crate) output: OutputArg,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    logs: LogArgs,
}

pub(crate) async fn run(args: Args, options: DriverOptions, context: &Context) -> Result<u8, CommandError> {
    let json = args.output.is_json();
    let report = Report::new(context, args.progress, args.logs, json)?;
    let manager = context.reporting_manager(&report);
    let runtime = given(args.runtime.as_ref()).or_else(|| context.env.default_runtime.clone());
    let Some(agent) = given(args.agent.as_ref()).or_else(|| context.env.default_agent.clone()) else {
        return Err(no_agent(&manager, runtime.as_deref()).await);
    };
    let request = Request::new(&args, context, agent, &manager.notes)?;
    if args.dump_config {
        stream::stdout(&json::pretty(&request.config))?;
        return Ok(0);
    }
    let session = open(&manager, runtime.as_deref()).await?;
    let manifest = session.manifest();
    if manifest.experimental && !json {
        manager.notes.say(&format!("⚠️  {} runtime support is experimental", manifest.display_name));
    }
    let asked = async {
        let features = request.config.features.clone();
        let new = request.into_new(context, options, manifest, &manager.notes)?;
        let mut new = check_options(&session, new).await?;
        new.start = args.start || (context.env.init_auto_start && !args.no_start);
        let stage = features::add(&mut new, features, &session, context, &report).await?;
        Ok((new, stage))
    };
    // The stage holds the features until the workspace is made.
    let (new, _stage) = match asked.await {
        Ok(asked) => asked,
        Err(error) => {
            session.close().await;
            return Err(error);
        }
    };
    manager.recover_all().await;
    let made = manager.create(session, new, &mut report.observer()).await;
    let record = report.end(made)?;
    match (args.verbose, json) {
        (false, _) => IdResult::print(&record.id, json),
        (true, true) => {
            stream::stdout(&json::pretty(&WorkspaceResult::new(&record)))?;
            Ok(0)
        }
        (true, false) => {
            stream::stdout(&text::lines(&describe(&record)))?;
            Ok(0)
        }
    }
}

/// An empty path is the current folder, as it is in the working of paths elsewhere.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// An empty value counts as not given, as scripts pass on variables that may not be set.
fn given(flag: Option<&String>) -> Option<String> {
    flag.filter(|value| !value.is_empty()).cloned()
}

/// Opens a session with the runtime of the workspace.
async fn open(manager: &Manager, runtime: Option<&str>) -> Result<Session, CommandError> {
    match runtime {
        Some(kind) => Ok(manager.open(&manager.catalog.find(kind)?).await?),
        None => default_runtime(manager).await,
    }
}

/// The error of who names no agent, or what is wrong with the runtime that could list them.
async fn no_agent(manager: &Manager, runtime: Option<&str>) -> CommandError {
    let found = match open(manager, runtime).await {
        Ok(session) => {
            let found = known_agents(&session).await;
            session.close().await;
            found
        }
        Err(error) if runtime.is_none() => return error,
        Err(_) => agents::names().map(str::to_owned).collect(),
    };
    CommandError::new(NO_AGENT).with_hint(format!("Agents found: {}", found.join(", ")))
}

async fn default_runtime(manager: &Manager) -> Result<Session, CommandError> {
    let Ok(driver) = manager.catalog.find(DEFAULT_RUNTIME) else {
        return Err(
            CommandError::new(NO_RUNTIME).with_hint("'kdn runtime list' shows the runtimes that are there")
        );
    };
    let session = manager.open(&driver).await?;
    if session.manifest().capabilities.status.is_some() {
        let status = match session.call::<GetStatus>(&Empty {}, &mut ignore_events).await {
            Ok(status) => status,
            Err(error) => {
                session.close().await;
                return Err(error.into());
            }
        };
        if status.state != Readiness::Ready {
            session.close().await;
            let reason = status.reason.unwrap_or_else(|| "it does not say why".to_owned());
            let error = CommandError::new(NO_RUNTIME)
                .with_hint(format!("The runtime {DEFAULT_RUNTIME} is not ready: {reason}"));
            return Err(status.hints.into_iter().fold(error, CommandError::with_hint));
        }
    }
    Ok(session)
}

/// Refuses a workspace that lacks an option that its driver requires.
async fn check_options(session: &Session, new: New) -> Result<New, CommandError> {
    let answer = session.call::<Flags>(&Empty {}, &mut ignore_events).await;
    let flags = answer.map_err(|error| CommandError::from(error).context(CREATE))?.flags;
    new.workspace.check_options(&flags).map(|()| new).map_err(|error| {
        let driver = &session.manifest().r#type;
        CommandError::new(format!("{CREATE}: runtime {driver:?}: {error}"))
            .with_hint(format!("'kdn init --runtime {driver} --help' shows its options"))
    })
}

/// The agents that the driver lists; those that kdn knows when it lists none.
async fn known_agents(session: &Session) -> Vec<String> {
    let mut names = vec![agents::SHELL.to_owned()];
    let listed = match session.manifest().capabilities.agents {
        Some(_) => session.call::<ListAgents>(&Empty {}, &mut ignore_events).await.ok(),
        None => None,
    };
    match listed {
        Some(listed) => names.extend(listed.agents.into_iter().map(|agent| agent.name)),
        None => names.extend(agents::names().map(str::to_owned)),
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn describe(record: &Record) -> String {
    let mut lines = vec![
        ("ID", record.id.clone()),
        ("Name", record.name.clone()),
        ("Project", record.project.clone()),
        ("Agent", record.agent.clone()),
    ];
    match record.model.as_deref().map(ModelId::parse) {
        None => lines.push(("Model", "(default)".to_owned())),
        Some(id) => {
            lines.push(("Model", id.model.to_owned()));
            let more = [("Provider", id.provider), ("Base URL", id.base_url)];
            lines.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))));
        }
    }
    lines.push(("Sources directory", record.paths.source.display().to_string()));
    lines.push(("Configuration directory", record.paths.configuration.display().to_string()));
    lines.push(("State", record.runtime.state.to_string()));
    let mut text = "Registered workspace:\n".to_owned();
    for (name, value) in lines {
        let _ = writeln!(text, "  {name}: {value}");
    }
    text
}
