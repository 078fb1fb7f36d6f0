//! The flags that a driver adds to `init`.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, error::ErrorKind};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use kdn_protocol::{Flag, host::HostError};

use crate::{
    commands::{Context, args::DriverOptions},
    output::{stream, text},
};

const INIT: &str = "init";

/// The command line with a driver's flags.
pub(super) struct Extended {
    pub(super) command: Command,
    pub(super) flags: Vec<Flag>,
}

/// Adds the flags of the driver that `init` is to use. `None`: another command is meant, or there is nothing to add.
pub(super) async fn extend(
    command: Command,
    args: &[OsString],
    error: &clap::Error,
    context: &Context,
) -> Option<Extended> {
    let may_help = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::DisplayHelp);
    let words: Vec<&str> = args.iter().skip(1).map_while(|arg| arg.to_str()).collect();
    if !may_help {
        return None;
    }
    let context = match value_of(&words, &["--storage"]) {
        Some(storage) => context.with_storage(storage.as_ref()).ok()?,
        None => context.clone(),
    };
    match add(command, &words, &context).await {
        Ok(extended) => extended,
        Err(Unknown { runtime, error }) => {
            stream::note(&format!("Warning: the options of runtime {runtime:?} are not known: {error}"));
            None
        }
    }
}

/// A driver did not say which flags it has.
pub(super) struct Unknown {
    runtime: String,
    error: HostError,
}

/// Adds the flags of the driver that these words choose. `None`: there is nothing to add.
pub(super) async fn add(
    command: Command,
    words: &[&str],
    context: &Context,
) -> Result<Option<Extended>, Unknown> {
    if !words.contains(&INIT) {
        return Ok(None);
    }
    let runtime = value_of(words, &["--runtime", "-r"]).or(context.env.default_runtime.clone());
    let Some(runtime) = runtime else { return Ok(None) };
    let manager = context.manager();
    let Ok(driver) = manager.catalog.find(&runtime) else { return Ok(None) };
    match manager.catalog.describe(&manager.host, &driver).await {
        Ok(described) => Ok(with(command, &runtime, described.flags)),
        Err(error) => Err(Unknown { runtime, error }),
    }
}

fn with(command: Command, runtime: &str, offered: Vec<Flag>) -> Option<Extended> {
    let mut built = command.clone();
    built.build();
    let own = built.find_subcommand(INIT)?;
    let mut flags: Vec<Flag> = Vec::new();
    for flag in offered {
        let taken = own.get_arguments().any(|arg| arg.get_long() == Some(&flag.name))
            || flags.iter().any(|other| other.name == flag.name);
        if !taken && is_flag(&flag.name) {
            flags.push(flag);
        }
    }
    if flags.is_empty() {
        return None;
    }
    let heading = format!("Options of the runtime {runtime}");
    let args: Vec<Arg> = flags.iter().map(|flag| arg(flag).help_heading(heading.clone())).collect();
    let command = command.mut_subcommand(INIT, |init| init.args(args));
    Some(Extended { command, flags })
}

/// The values that were given.
pub(super) fn values(flags: &[Flag], matches: &ArgMatches) -> DriverOptions {
    let Some(init) = matches.subcommand_matches(INIT) else { return DriverOptions::new() };
    let given = |flag: &Flag| Some((flag.name.clone(), init.get_one::<String>(&id(flag))?.clone()));
    flags.iter().filter_map(given).collect()
}

/// Apart from the ids of kdn's own arguments.
fn id(flag: &Flag) -> String {
    format!("--{}", flag.name)
}

fn is_flag(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain)
}

fn arg(flag: &Flag) -> Arg {
    let mut help = text::line(&flag.usage).into_owned();
    if let Some(default) = &flag.default {
        help = format!("{help} [default: {}]", text::line(default));
    }
    let arg =
        Arg::new(id(flag)).long(flag.name.clone()).value_name("VALUE").required(flag.required).help(help);
    if flag.completions.is_empty() {
        return arg;
    }
    let words = flag.completions.clone();
    arg.add(ArgValueCandidates::new(move || words.iter().map(CompletionCandidate::new).collect()))
}

/// The value of a flag in arguments that may not fit.
pub(super) fn value_of(words: &[&str], names: &[&str]) -> Option<String> {
    let mut rest = words.iter().take_while(|word| **word != "--");
    while let Some(word) = rest.next() {
        for name in names {
            if word == name {
                return rest.next().map(|value| (*value).to_owned());
            }
            let joined = word
                .strip_prefix(name)
                .and_then(|rest| if name.starts_with("--") { rest.strip_prefix('=') } else { Some(rest) });
            if let Some(value) = joined {
                return Some(value.trim_start_matches('=').to_owned());
            }
        }
    }
    None
}
