//! From the arguments to a command, and from its result to an exit code.

use std::{ffi::OsString, process::ExitCode};

use clap::FromArgMatches;

use super::{
    Cli, Command, ConfigCommand, ProviderCommand, RuntimeCommand, SecretCommand, ServiceCommand,
    WorkspaceCommand, completion,
    driver_flags::{self, Extended},
    signals, switches, usage,
};
use crate::{
    commands::{Context, args::DriverOptions},
    env::Env,
    output::{CommandError, stream},
};

/// Runs kdn with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let env = Env::from_process();
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(asked) = &env.completing {
        return match completion::answer(asked, &env, &args).and_then(|answer| stream::raw(&answer)) {
            Ok(()) => ExitCode::SUCCESS,
            // A message would end up in the middle of the user's line.
            Err(_) => ExitCode::FAILURE,
        };
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let code = match runtime.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(args, env));
            // A thread that waits for a lock, or for a read of stdin, must not keep kdn from ending.
            runtime.shutdown_background();
            code
        }
        Err(error) => fail(&CommandError::from(error).context("failed to start"), false),
    };
    ExitCode::from(code)
}

async fn run(args: Vec<OsString>, env: Env) -> u8 {
    let context = match Context::new(env, signals::listen()) {
        Ok(context) => context,
        Err(error) => return fail(&error, usage::wants_json(&args)),
    };
    let args = switches::plain(args, super::help::command);
    let (cli, options) = match parse(&args, &context).await {
        Ok(parsed) => parsed,
        Err(End::Printed) => return 0,
        Err(End::Failed(error)) => return fail(&error, usage::wants_json(&args)),
    };
    let command = cli.command.map(Command::without_group);
    let json = command.as_ref().is_some_and(Command::is_json);
    let done = match cli.storage {
        Some(storage) => match context.with_storage(&storage) {
            Ok(context) => dispatch(command, options, &context).await,
            Err(error) => Err(error),
        },
        None => dispatch(command, options, &context).await,
    };
    done.unwrap_or_else(|error| fail(&error, json))
}

enum End {
    /// Help or the version was asked for, and printed.
    Printed,
    Failed(CommandError),
}

/// Parses the arguments. Only where they do not fit, or ask for help, is the chosen driver asked for its flags.
async fn parse(args: &[OsString], context: &Context) -> Result<(Cli, DriverOptions), End> {
    let command = super::help::command();
    let (matches, options) = match command.clone().try_get_matches_from(args) {
        Ok(matches) => (matches, DriverOptions::new()),
        Err(error) => match driver_flags::extend(command, args, &error, context).await {
            None => return Err(end(&error, args)),
            Some(Extended { command, flags }) => {
                let matches = command.try_get_matches_from(args).map_err(|error| end(&error, args))?;
                let options = driver_flags::values(&flags, &matches);
                (matches, options)
            }
        },
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| end(&error, args))?;
    Ok((cli, options))
}

fn end(error: &clap::Error, args: &[OsString]) -> End {
    if error.use_stderr() {
        return End::Failed(usage::explain(error, args));
    }
    let _ = stream::stdout(&error.render().ansi().to_string());
    End::Printed
}

fn fail(error: &CommandError, json: bool) -> u8 {
    if json {
        let _ = stream::stdout(&error.to_json());
    } else {
        stream::stderr(&error.to_text());
    }
    error.exit_code()
}

async fn dispatch(
    command: Option<Command>,
    options: DriverOptions,
    context: &Context,
) -> Result<u8, CommandError> {
    use crate::commands::{
        autoconf, completion, config, dashboard, info, init, list, man, open, remove, runtime, service,
        start, stop, terminal, version, workspace,
    };

    match command {
        None => help(&[]),
        Some(Command::Init(args)) => init::run(*args, options, context).await,
        Some(Command::List(args)) => reading(context, list::run(args, context)).await,
        Some(Command::Remove(args)) => remove::run(args, context).await,
        Some(Command::Start(args)) => start::run(args, context).await,
        Some(Command::Stop(args)) => stop::run(args, context).await,
        Some(Command::Terminal(args)) => terminal::run(args, context).await,
        Some(Command::Open(args)) => reading(context, open::run(args, context)).await,
        Some(Command::Dashboard(args)) => reading(context, dashboard::run(args, context)).await,
        Some(Command::Workspace { command: Some(WorkspaceCommand::Show(args)) }) => {
            reading(context, workspace::show::run(args, context)).await
        }
        Some(Command::Config { command: Some(ConfigCommand::Schema(args)) }) => config::schema::run(&args),
        Some(Command::Config { command: None }) => help(&["config"]),
        Some(Command::Workspace { .. }) => help(&["workspace"]),
        Some(Command::Runtime { command: Some(RuntimeCommand::List(args)) }) => {
            reading(context, runtime::list::run(args, context)).await
        }
        Some(Command::Runtime { command: Some(RuntimeCommand::New(args)) }) => {
            runtime::new::run(&args, context)
        }
        Some(Command::Runtime { command: Some(RuntimeCommand::Test(args)) }) => {
            runtime::test::run(args, context).await
        }
        Some(Command::Runtime { command: None }) => help(&["runtime"]),
        Some(Command::Secret { command: Some(command) }) => secret(command, context).await,
        Some(Command::Secret { command: None }) => help(&["secret"]),
        Some(Command::Service { command: Some(ServiceCommand::List(args)) }) => service::list::run(&args),
        Some(Command::Service { command: None }) => help(&["service"]),
        Some(Command::Provider { command: Some(command) }) => provider(command, context).await,
        Some(Command::Provider { command: None }) => help(&["provider"]),
        Some(Command::Autoconf(args)) => autoconf::run(&args, context).await,
        Some(Command::Info(args)) => reading(context, info::run(args, context)).await,
        Some(Command::Completion(args)) => completion::run(&args),
        Some(Command::Man(args)) => man::run(&args),
        Some(Command::Version) => version::run(),
    }
}

async fn secret(command: SecretCommand, context: &Context) -> Result<u8, CommandError> {
    use crate::commands::secret::{create, list, remove};

    match command {
        SecretCommand::Create(args) => create::run(*args, context).await,
        SecretCommand::List(args) => list::run(&args, context),
        SecretCommand::Remove(args) => remove::run(args, context).await,
    }
}

async fn provider(command: ProviderCommand, context: &Context) -> Result<u8, CommandError> {
    use crate::commands::provider::{create, list, remove};

    match command {
        ProviderCommand::Create(args) => create::run(*args, context).await,
        ProviderCommand::List(args) => list::run(&args, context),
        ProviderCommand::Remove(args) => remove::run(args, context).await,
    }
}

/// Runs a command that changes nothing: an interrupt ends it at once, and the drivers that it has started.
async fn reading(
    context: &Context,
    command: impl Future<Output = Result<u8, CommandError>>,
) -> Result<u8, CommandError> {
    let mut interrupts = context.interrupts.clone();
    tokio::select! {
        done = command => done,
        _ = interrupts.next() => Err(CommandError::interrupted()),
    }
}

/// Prints the help of a command that does nothing by itself.
fn help(path: &[&str]) -> Result<u8, CommandError> {
    let mut command = super::help::command();
    command.build();
    let mut at = &mut command;
    for name in path {
        at = at.find_subcommand_mut(name).expect("the path is one of the command's own");
    }
    stream::stdout(&at.render_long_help().ansi().to_string())?;
    Ok(0)
}
