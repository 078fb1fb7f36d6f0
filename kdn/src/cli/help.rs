//! The help of kdn itself: its commands, in groups.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _, builder::StyledStr};

use super::Cli;

/// What stands in no group comes last.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Main Commands", &["init", "list", "start", "stop", "remove", "terminal", "open", "dashboard"]),
    ("Workspace Commands", &["workspace"]),
    ("Secret Commands", &["secret", "service", "provider"]),
    ("Configuration Commands", &["autoconf", "config"]),
    ("Runtime Commands", &["runtime"]),
];
const REST: &str = "Additional Commands";

/// The whole command line, with this help.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let header = *command.get_styles().get_header();
    let commands = groups(&command);
    command.help_template(StyledStr::from(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}{header}Options:{header:#}\n{{options}}{{after-help}}"
    )))
}

fn groups(command: &Command) -> String {
    let shown: Vec<&Command> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    let width = shown.iter().map(|command| command.get_name().len()).max().unwrap_or_default();
    let (header, literal) = (command.get_styles().get_header(), command.get_styles().get_literal());
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let mut out = String::new();
    let mut group = |title: &str, commands: &[&Command]| {
        if commands.is_empty() {
            return;
        }
        let _ = writeln!(out, "{header}{title}:{header:#}");
        for command in commands {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let aliases: Vec<&str> = command.get_visible_aliases().collect();
            let aliases =
                if aliases.is_empty() { String::new() } else { format!(" [alias: {}]", aliases.join(", ")) };
            let _ = writeln!(out, "  {literal}{:width$}{literal:#}  {about}{aliases}", command.get_name());
        }
        out.push('\n');
    };
    for (title, names) in GROUPS {
        let commands: Vec<&Command> = names
            .iter()
            .filter_map(|name| shown.iter().copied().find(|command| command.get_name() == *name))
            .collect();
        group(title, &commands);
    }
    let rest: Vec<&Command> =
        shown.iter().copied().filter(|command| !is_grouped(command.get_name())).collect();
    group(REST, &rest);
    out
}
