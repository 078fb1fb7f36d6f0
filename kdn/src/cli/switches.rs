//! Switches with a value, such as `--start=false`, which scripts write.

use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The arguments with `--start` in place of `--start=true`, and with `--no-start`, or nothing where there is no such
/// flag, in place of `--start=false`. What follows a bare `--` stays.
pub(super) fn plain(args: Vec<OsString>, root: impl FnOnce() -> Command) -> Vec<OsString> {
    if !args.iter().any(|arg| arg.to_str().and_then(split).is_some()) {
        return args;
    }
    let mut command = root();
    command.build();
    let mut at = &command;
    let mut is_over = false;
    let mut plain = Vec::with_capacity(args.len());
    for arg in args {
        let text = arg.to_str().unwrap_or_default();
        is_over |= text == "--";
        at = at.find_subcommand(text).unwrap_or(at);
        match split(text).filter(|(flag, _)| !is_over && is_switch(at, flag)) {
            None => plain.push(arg),
            Some((flag, true)) => plain.push(flag.into()),
            Some((flag, false)) => {
                let no = format!("--no-{}", flag.trim_start_matches('-'));
                plain.extend(is_switch(at, &no).then(|| no.into()));
            }
        }
    }
    plain
}

/// The flag and the truth value of an argument that has both.
fn split(arg: &str) -> Option<(&str, bool)> {
    let (flag, value) = arg.split_once('=').filter(|(flag, _)| flag.starts_with('-'))?;
    match value {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Some((flag, true)),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Some((flag, false)),
        _ => None,
    }
}

fn is_switch(command: &Command, flag: &str) -> bool {
    command.get_arguments().filter(|arg| matches!(arg.get_action(), ArgAction::SetTrue)).any(|arg| {
        let short = arg.get_short().is_some_and(|short| *flag == format!("-{short}"));
        short || arg.get_long().is_some_and(|long| *flag == format!("--{long}"))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn switches_take_what_go_takes() {
        let joined = |line: &str| {
            let args = line.split(' ').map(OsString::from).collect();
            plain(args, Cli::command).join(" ".as_ref()).into_string().unwrap()
        };
        assert_eq!(joined("kdn remove a --force=true -f=1"), "kdn remove a --force -f");
        assert_eq!(joined("kdn rm a --force=0"), "kdn rm a");
        assert_eq!(joined("kdn init --start=false --verbose=T"), "kdn init --no-start --verbose");
        assert_eq!(joined("kdn terminal a -- x --force=true"), "kdn terminal a -- x --force=true");
        assert_eq!(joined("kdn init --name=true --force=true"), "kdn init --name=true --force=true");
    }
}
