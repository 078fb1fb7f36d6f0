//! `kdn config schema`

use clap::ValueEnum;

use crate::{
    config::schema,
    output::{CommandError, json, stream},
};

/// Print the JSON Schema of a configuration file
///
/// An editor that knows it completes and checks the file. Name it there as "$schema".
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn config schema
  kdn config schema projects")]
pub(crate) struct Args {
    /// File to print it of
    #[arg(value_name = "FILE", default_value = "workspace")]
    file: File,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum File {
    /// .kaiden/workspace.json in a project directory
    Workspace,
    /// config/projects.json in the folder of kdn's state
    Projects,
    /// config/agents.json in the folder of kdn's state
    Agents,
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let schema = match args.file {
        File::Workspace => schema::workspace(),
        File::Projects => schema::entries("project"),
        File::Agents => schema::entries("agent"),
    };
    stream::raw(&json::pretty(&schema))?;
    Ok(0)
}
