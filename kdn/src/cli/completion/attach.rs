//! Which argument takes what.

use std::{ffi::OsStr, sync::Arc};

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::machine::{Candidate, Machine, Which};
use crate::secrets;

type Find = fn(&Machine, &str) -> Vec<Candidate>;

/// Gives the arguments of a command, and of those below it, what finds their candidates. Flags wait for a dash, unless
/// there is nothing else to offer.
pub(super) fn attach(command: Command, machine: &Arc<Machine>, wants_flag: bool) -> Command {
    below(command, "", machine, wants_flag)
}

fn below(command: Command, parent: &str, machine: &Arc<Machine>, wants_flag: bool) -> Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let hidden = arg.is_hide_set() || (!wants_flag && !arg.is_positional());
        let arg = match finder(parent, &name, &arg) {
            Some(find) => arg.add(completer(find, machine)),
            None => arg,
        };
        arg.hide(hidden)
    });
    command.mut_subcommands(|command| below(command, &name, machine, wants_flag))
}

fn finder(parent: &str, command: &str, arg: &Arg) -> Option<Find> {
    let value = arg.get_value_names()?.first()?.as_str();
    Some(match (parent, command, value) {
        (_, "start", "NAME|ID") => |machine, word| machine.workspaces(Which::Idle, word),
        (_, "stop" | "open", "NAME|ID") => |machine, word| machine.workspaces(Which::Running, word),
        (_, "dashboard", "NAME|ID") => |machine, word| machine.workspaces_with_dashboard(word),
        (_, "remove", "NAME|ID") => |machine, word| machine.workspaces(Which::Removable, word),
        (_, _, "NAME|ID") => |machine, word| machine.workspaces(Which::All, word),
        (_, "open", "PORT") => |machine, _| machine.ports(),
        ("secret", "remove", "NAME") => |machine, _| machine.secrets(),
        ("provider", "remove", "NAME") => |machine, _| machine.providers(),
        ("secret", "create", "TYPE") => |_, _| plain(secrets::types()),
        ("provider", "create", "TYPE") => |_, _| plain(secrets::Provider::TYPES),
        (_, "init", "RUNTIME") => |machine, _| machine.runtimes(),
        (_, "init", "AGENT") => |_, _| plain(crate::agents::names()),
        (_, "init", "PROJECT") => |machine, _| machine.projects(),
        (_, _, "FORMAT") => |_, _| plain(["json"]),
        _ => return None,
    })
}

fn plain<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Vec<Candidate> {
    words.into_iter().map(|word| Candidate { word: word.into(), help: String::new() }).collect()
}

fn completer(find: Find, machine: &Arc<Machine>) -> ArgValueCompleter {
    let machine = Arc::clone(machine);
    ArgValueCompleter::new(move |typed: &OsStr| {
        let Some(typed) = typed.to_str() else { return Vec::new() };
        let found = find(&machine, typed).into_iter();
        let fits = found.filter(|candidate| candidate.word.starts_with(typed));
        // What could act on a terminal, or come apart in a shell, is not offered.
        let safe = fits.filter(|candidate| !candidate.word.chars().any(char::is_control));
        safe.map(|Candidate { word, help }| {
            let help = (!help.is_empty()).then(|| crate::output::text::line(&help).into_owned().into());
            CompletionCandidate::new(word).help(help)
        })
        .collect()
    })
}
