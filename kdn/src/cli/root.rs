//! The tree of commands.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::{
    autoconf, completion, config, dashboard, info, init, list, man, open, provider, remove, runtime, secret,
    service, start, stop, terminal, workspace,
};

/// Run AI agents in isolated workspaces
///
/// A workspace is a project directory and an instance of a runtime: a sandbox, a container, a pod. The agent works
/// on your files, and sees little else of your machine.
#[derive(Debug, Parser)]
#[command(name = "kdn", version = concat!("version ", env!("CARGO_PKG_VERSION")), max_term_width = 100, args_override_self = true)]
#[command(after_help = "Examples:
  kdn init ~/src/my-project --agent claude
  kdn terminal my-project
  kdn list")]
pub(crate) struct Cli {
    /// Folder of kdn's state [default: $KDN_STORAGE, else ~/.kdn]
    #[arg(long, global = true, value_name = "DIR", display_order = 100)]
    pub(crate) storage: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Box<init::Args>),
    #[command(visible_alias = "ls")]
    List(list::Args),
    #[command(visible_alias = "rm")]
    Remove(remove::Args),
    Start(start::Args),
    Stop(stop::Args),
    Terminal(terminal::Args),
    Open(open::Args),
    Dashboard(dashboard::Args),
    /// Manage workspaces
    #[command(after_help = "Examples:
  kdn workspace list
  kdn workspace start my-project")]
    Workspace {
        #[command(subcommand)]
        command: Option<WorkspaceCommand>,
    },
    /// Manage secrets
    #[command(after_help = "Examples:
  kdn secret create my-token --type github --value ghp_example
  kdn secret list
  kdn secret remove example-token")]
    Secret {
        #[command(subcommand)]
        command: Option<SecretCommand>,
    },
    /// Show the services that secrets can belong to
    #[command(after_help = "Examples:
  kdn service list")]
    Service {
        #[command(subcommand)]
        command: Option<ServiceCommand>,
    },
    /// Manage providers of models
    #[command(after_help = "Examples:
  kdn provider create work --type anthropic --token sk-example
  kdn provider list
  kdn provider remove example-provider")]
    Provider {
        #[command(subcommand)]
        command: Option<ProviderCommand>,
    },
    Autoconf(autoconf::Args),
    /// Show what configurations and JSON results may say
    #[command(after_help = "Examples:
  kdn config schema")]
    Config {
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    /// Manage runtimes
    #[command(after_help = "Examples:
  kdn runtime list
  kdn runtime new mine --language python
  kdn runtime test ./kdn-runtime-mine")]
    Runtime {
        #[command(subcommand)]
        command: Option<RuntimeCommand>,
    },
    Completion(completion::Args),
    #[command(hide = true)]
    Man(man::Args),
    Info(info::Args),
    /// Print the version of kdn
    #[command(after_help = "Examples:
  kdn version")]
    Version,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkspaceCommand {
    List(list::Args),
    #[command(visible_alias = "rm")]
    Remove(remove::Args),
    Show(workspace::show::Args),
    Start(start::Args),
    Stop(stop::Args),
    Terminal(terminal::Args),
    Open(open::Args),
    Dashboard(dashboard::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Schema(config::schema::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RuntimeCommand {
    List(runtime::list::Args),
    New(runtime::new::Args),
    Test(runtime::test::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    Create(Box<secret::create::Args>),
    List(secret::list::Args),
    Remove(secret::remove::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    List(service::list::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    Create(Box<provider::create::Args>),
    List(provider::list::Args),
    Remove(provider::remove::Args),
}

impl Command {
    /// `kdn workspace start` is `kdn start`, and so on; `show` is in its group only.
    pub(crate) fn without_group(self) -> Self {
        let Self::Workspace { command: Some(command) } = self else { return self };
        match command {
            WorkspaceCommand::List(args) => Self::List(args),
            WorkspaceCommand::Remove(args) => Self::Remove(args),
            show @ WorkspaceCommand::Show(_) => Self::Workspace { command: Some(show) },
            WorkspaceCommand::Start(args) => Self::Start(args),
            WorkspaceCommand::Stop(args) => Self::Stop(args),
            WorkspaceCommand::Terminal(args) => Self::Terminal(args),
            WorkspaceCommand::Open(args) => Self::Open(args),
            WorkspaceCommand::Dashboard(args) => Self::Dashboard(args),
        }
    }

    /// Whether stdout is to hold one JSON document, errors included. Ask it of a command without its group.
    pub(crate) fn is_json(&self) -> bool {
        let output = match self {
            Self::Init(args) => &args.output,
            Self::List(args) => &args.output,
            Self::Remove(args) => &args.change.output,
            Self::Start(args) => &args.change.output,
            Self::Stop(args) => &args.change.output,
            Self::Open(args) => &args.output,
            Self::Dashboard(args) => &args.output,
            Self::Runtime { command: Some(RuntimeCommand::List(args)) } => &args.output,
            Self::Runtime { command: Some(RuntimeCommand::New(args)) } => &args.output,
            Self::Secret { command: Some(command) } => match command {
                SecretCommand::Create(args) => &args.output,
                SecretCommand::List(args) => &args.output,
                SecretCommand::Remove(args) => &args.output,
            },
            Self::Service { command: Some(ServiceCommand::List(args)) } => &args.output,
            Self::Provider { command: Some(command) } => match command {
                ProviderCommand::Create(args) => &args.output,
                ProviderCommand::List(args) => &args.output,
                ProviderCommand::Remove(args) => &args.output,
            },
            Self::Workspace { command: Some(WorkspaceCommand::Show(args)) } => &args.output,
            Self::Info(args) => &args.output,
            Self::Terminal(_)
            | Self::Autoconf(_)
            | Self::Completion(_)
            | Self::Man(_)
            | Self::Version
            | Self::Workspace { .. }
            | Self::Config { .. }
            | Self::Runtime { .. }
            | Self::Secret { command: None }
            | Self::Service { command: None }
            | Self::Provider { command: None } => {
                return false;
            }
        };
        output.is_json()
    }
}
