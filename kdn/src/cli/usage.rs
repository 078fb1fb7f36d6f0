//! Wrong usage, said in one line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{Cli, USAGE};
use crate::output::CommandError;

/// Whether the arguments ask for JSON, as far as can be told when they do not fit.
pub(super) fn wants_json(args: &[OsString]) -> bool {
    let words: Vec<&str> = args.iter().map_while(|arg| arg.to_str().filter(|arg| *arg != "--")).collect();
    words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"]))
        || words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"))
}

/// What is wrong with the arguments, and what to do.
pub(super) fn explain(error: &clap::Error, args: &[OsString]) -> CommandError {
    let command = command_path(args);
    let invalid = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    let message = match error.kind() {
        ErrorKind::UnknownArgument => unknown(&invalid, &command),
        ErrorKind::InvalidSubcommand => {
            format!("unknown command {:?} for {command:?}", text(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingRequiredArgument if invalid.contains("COMMAND") => {
            "requires at least 1 arg(s), only received 0".to_owned()
        }
        ErrorKind::MissingRequiredArgument if invalid.starts_with("--") => format!("{invalid} is required"),
        ErrorKind::MissingRequiredArgument => "accepts 1 arg(s), received 0".to_owned(),
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {}", flag(&invalid)),
        ErrorKind::InvalidValue => format!(
            "invalid value {value:?} for {} (supported: {})",
            flag(&invalid),
            text(error, ContextKind::ValidValue)
        ),
        ErrorKind::ValueValidation => match std::error::Error::source(error) {
            Some(source) => source.to_string(),
            None => format!("invalid value {value:?} for {}", flag(&invalid)),
        },
        ErrorKind::ArgumentConflict => {
            let other = text(error, ContextKind::PriorArg);
            if flag(&invalid) == flag(&other) {
                format!("flag given twice: {}", flag(&invalid))
            } else {
                format!("{} cannot be used with {}", flag(&invalid), flag(&other))
            }
        }
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    let mut explained = CommandError::new(message).with_exit_code(USAGE);
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue] {
        let suggested = text(error, kind);
        if !suggested.is_empty() {
            explained = explained.with_hint(format!("Did you mean {suggested}?"));
        }
    }
    explained.with_hint(format!("Run '{command} --help' for its usage"))
}

fn unknown(arg: &str, command: &str) -> String {
    if let Some(short) = arg.strip_prefix('-').filter(|rest| !rest.starts_with('-')) {
        format!("unknown shorthand flag: '{short}' in {arg}")
    } else if arg.starts_with('-') {
        format!("unknown flag: {arg}")
    } else if takes_arguments(command) {
        let at_most = if command == "kdn init" { "at most " } else { "" };
        format!("accepts {at_most}1 arg(s), received 2")
    } else {
        format!("unknown command {arg:?} for {command:?}")
    }
}

/// `--progress <MODE>` without the name of its value.
fn flag(arg: &str) -> &str {
    arg.split([' ', '=']).next().unwrap_or_default()
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

/// The command that the arguments lead to: `kdn workspace start`.
fn command_path(args: &[OsString]) -> String {
    let mut path = "kdn".to_owned();
    walk(args, |command| {
        path.push(' ');
        path.push_str(command.get_name());
    });
    path
}

fn takes_arguments(command: &str) -> bool {
    let args: Vec<OsString> = command.split(' ').map(Into::into).collect();
    let mut takes = false;
    walk(&args, |command| takes = command.get_positionals().next().is_some());
    takes
}

fn walk(args: &[OsString], mut visit: impl FnMut(&clap::Command)) {
    let root = <Cli as clap::CommandFactory>::command();
    let mut at = &root;
    for word in args.iter().skip(1).filter_map(|arg| arg.to_str()) {
        if let Some(next) = at.find_subcommand(word) {
            visit(next);
            at = next;
        } else if !word.starts_with('-') {
            break;
        }
    }
}
