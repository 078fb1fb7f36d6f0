//! Wrong usage, said in one line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use crate::output::CommandError;

/// Whether the arguments ask for JSON, as far as can be told when they do not fit.
pub(super) fn wants_json(args: &[OsString]) -> bool {
    let words: Vec<&str> = args.iter().map_while(|arg| arg.to_str().filter(|arg| *arg != "--")).collect();
    // `-vo json`, `-vojson`: before it, only letters can be, each of which is a flag.
    let ends_in_o = |word: &str| {
        let letters = word.strip_prefix('-').and_then(|word| word.strip_suffix('o'));
        letters.is_some_and(|letters| letters.bytes().all(|byte| byte.is_ascii_alphabetic()))
    };
    let has_value = |word: &str| {
        let flag = word.strip_suffix("json").map(|flag| flag.strip_suffix('=').unwrap_or(flag));
        flag.is_some_and(ends_in_o) || word == "--output=json"
    };
    words.windows(2).any(|pair| pair[1] == "json" && (pair[0] == "--output" || ends_in_o(pair[0])))
        || words.iter().any(|word| has_value(word))
}

/// What is wrong with the arguments, and what to do.
pub(super) fn explain(error: &clap::Error, args: &[OsString]) -> CommandError {
    let place = Place::of(args);
    let invalid = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    let message = match error.kind() {
        ErrorKind::UnknownArgument => {
            let is_flag = invalid.starts_with('-')
                && !args.iter().skip_while(|arg| *arg != "--").any(|arg| *arg == *invalid);
            unknown(&invalid, is_flag, &place)
        }
        ErrorKind::InvalidSubcommand => {
            format!("unknown command {:?} for {:?}", text(error, ContextKind::InvalidSubcommand), place.path)
        }
        ErrorKind::MissingRequiredArgument if invalid.starts_with("--") => format!("{invalid} is required"),
        ErrorKind::MissingRequiredArgument => place.count(),
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
        ErrorKind::TooManyValues => {
            format!("{} takes no value but true and false: {value:?}", flag(&invalid))
        }
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    let mut explained = CommandError::usage(message);
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue] {
        let suggested = text(error, kind);
        if !suggested.is_empty() {
            explained = explained.with_hint(format!("Did you mean {suggested}?"));
        }
    }
    // `help` has no help of its own.
    let path = place.path.strip_suffix(" help").unwrap_or(&place.path);
    explained.with_hint(format!("Run '{path} --help' for its usage"))
}

fn unknown(arg: &str, is_flag: bool, place: &Place) -> String {
    if !is_flag && place.command.get_positionals().next().is_some() {
        place.count()
    } else if !is_flag {
        format!("unknown command {arg:?} for {:?}", place.path)
    } else if arg.starts_with("--") {
        format!("unknown flag: {arg}")
    } else {
        format!("unknown shorthand flag: '{}' in {arg}", &arg[1..])
    }
}

/// `--progress <MODE>` without the name of its value, `[FILE]` without its brackets.
fn flag(arg: &str) -> &str {
    arg.split([' ', '=']).next().unwrap_or_default().trim_matches(['<', '>', '[', ']'])
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

/// What the arguments lead to, as far as they can be understood.
struct Place {
    /// `kdn workspace start`
    path: String,
    command: clap::Command,
    /// How many arguments follow that are neither flags nor values of flags.
    positional: usize,
}

impl Place {
    fn of(args: &[OsString]) -> Self {
        let mut command = <Cli as clap::CommandFactory>::command();
        command.build();
        let mut place = Self { path: "kdn".to_owned(), command, positional: 0 };
        let mut words = args.iter().skip(1).map(|arg| arg.to_string_lossy());
        while let Some(word) = words.next() {
            if word == "--" {
                let others = words.by_ref().count();
                // They may be for another program.
                if place.command.get_positionals().all(|arg| !arg.is_last_set()) {
                    place.positional += others;
                }
            } else if word.starts_with('-') && word != "-" {
                if place.takes_next(&word) {
                    words.next();
                }
            } else if let Some(next) = place.command.find_subcommand(&*word).filter(|_| place.positional == 0)
            {
                place.path = format!("{} {}", place.path, next.get_name());
                place.command = next.clone();
            } else {
                place.positional += 1;
            }
        }
        place
    }

    /// Whether the word after this flag is its value.
    fn takes_next(&self, flag: &str) -> bool {
        let takes = |is: &dyn Fn(&clap::Arg) -> bool| {
            self.command.get_arguments().any(|arg| is(arg) && arg.get_action().takes_values())
        };
        if let Some(long) = flag.strip_prefix("--") {
            return takes(&|arg| arg.get_long() == Some(long));
        }
        // In `-vr`, the first that takes a value is the last.
        let mut shorts = flag.chars().skip(1);
        shorts.any(|short| takes(&|arg| arg.get_short() == Some(short))) && shorts.next().is_none()
    }

    /// What is wrong with the number of arguments.
    fn count(&self) -> String {
        let positionals: Vec<_> = self.command.get_positionals().filter(|arg| !arg.is_last_set()).collect();
        let required = positionals.iter().filter(|arg| arg.is_required_set()).count();
        let received = self.positional;
        match positionals.len() {
            1 if required == 0 => format!("accepts at most 1 arg(s), received {received}"),
            1 => format!("accepts 1 arg(s), received {received}"),
            all if positionals.iter().all(|arg| !arg.is_trailing_var_arg_set()) => {
                format!("accepts between {required} and {all} arg(s), received {received}")
            }
            _ => format!("requires at least {required} arg(s), only received {received}"),
        }
    }
}
