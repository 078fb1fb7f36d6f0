//! Arguments that several commands share.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum, builder::PossibleValue};

use crate::output::progress::Mode;

/// The form of the result.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArg {
    /// Output format (supported: json)
    #[arg(short, long, value_name = "FORMAT", value_parser = parse_format)]
    output: Option<Format>,
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Text,
    Json,
}

fn parse_format(word: &str) -> Result<Format, String> {
    match word {
        "json" => Ok(Format::Json),
        "" => Ok(Format::Text),
        other => Err(format!("unsupported output format: {other} (supported: json)")),
    }
}

impl OutputArg {
    pub(crate) fn is_json(self) -> bool {
        matches!(self.output, Some(Format::Json))
    }
}

/// How the steps of a long operation are shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ProgressArgs {
    /// How to show progress on stderr [default: auto, or none with --output json]
    #[arg(long, value_name = "MODE")]
    pub(crate) progress: Option<ProgressMode>,
}

/// A [`Mode`] as a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgressMode(pub(crate) Mode);

impl ValueEnum for ProgressMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Mode::Auto), Self(Mode::Plain), Self(Mode::Json), Self(Mode::None)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self.0 {
            Mode::Auto => PossibleValue::new("auto").help("A spinner on a terminal, plain lines elsewhere"),
            Mode::Plain => {
                PossibleValue::new("plain").help("One line when a step begins and one when it ends")
            }
            Mode::Json => PossibleValue::new("json").help("One JSON object a line, for programs"),
            Mode::None => PossibleValue::new("none").help("Nothing"),
        })
    }
}

/// Whether the output of backend commands is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LogArgs {
    /// Show what the commands of the runtime print, on stderr
    #[arg(long)]
    pub(crate) show_logs: bool,
}

/// Which workspace is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct NameArg {
    /// Name of the workspace, its id, or at least 4 first characters of its id
    #[arg(value_name = "NAME|ID")]
    pub(crate) name: String,
}

/// What every command takes that changes one workspace.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) workspace: NameArg,
    #[command(flatten)]
    pub(crate) output: OutputArg,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

/// The values of a driver's flags, by their names.
pub(crate) type DriverOptions = BTreeMap<String, String>;
