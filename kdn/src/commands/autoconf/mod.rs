//! `kdn autoconf`: finds what this machine and this project have for workspaces, and adds it to the configuration.

mod answers;
mod detect;
mod home;
mod languages;
mod secrets;
mod target;
mod vertex;

use self::{answers::Answers, target::Targets};
use super::{Context, init::DEFAULT_RUNTIME};
use crate::{
    config::{WorkspaceConfig, levels},
    files::absolute,
    output::{CommandError, stream, text},
    project,
};

/// Find what workspaces can use, and add it to the configuration
///
/// Looks for tokens in the environment, Claude on Vertex AI, configuration files in the home folder, and the languages
/// and ports of the project in the current folder. Asks before each change; what is configured already stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn autoconf --yes")]
pub(crate) struct Args {
    /// Ask nothing: add all that is found, at its usual place
    #[arg(short, long)]
    yes: bool,
}

/// Where all stages work.
struct Stage<'a> {
    context: &'a Context,
    answers: Answers<'a>,
    targets: Targets,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<u8, CommandError> {
    let answers = Answers::new(args.yes, context)?;
    let sources = absolute(std::path::Path::new("."))?;
    let project = project::identify(&sources);
    let configuration = sources.join(".kaiden");
    // What is broken already is said before anything is changed.
    levels::load(&configuration, &context.storage, &project, vertex::AGENT)?;
    let targets = Targets::new(&context.storage, &configuration, &project);
    let stage = Stage { context, answers, targets };
    secrets::run(&stage).await?;
    vertex::run(&stage).await?;
    home::run(&stage).await?;
    languages::run(&stage, &sources).await?;
    let loaded = levels::load(&configuration, &context.storage, &project, vertex::AGENT)?;
    warn(&loaded.config, context).await;
    Ok(0)
}

/// Warns of what the runtime of those who choose none would refuse.
async fn warn(config: &WorkspaceConfig, context: &Context) {
    let manager = context.manager();
    let kind = context.env.default_runtime.as_deref().unwrap_or(DEFAULT_RUNTIME);
    let Ok(driver) = manager.catalog.find(kind) else { return };
    let Ok(described) = manager.catalog.describe(&manager.host, &driver).await else { return };
    let offered = described.manifest.capabilities;
    let missing = [
        ("features", !config.features.is_empty() && offered.features.is_none()),
        ("secrets", !config.secrets.is_empty() && offered.secrets.is_none()),
    ];
    let missing: Vec<&str> = missing.into_iter().filter_map(|(what, is)| is.then_some(what)).collect();
    if !missing.is_empty() {
        stream::note(&format!(
            "Warning: runtime {kind:?} refuses a configuration with {}: choose another one here, by --runtime of \
             'kdn init' or by KDN_DEFAULT_RUNTIME",
            missing.join(" or ")
        ));
    }
}

/// Says something that is neither done nor left out.
fn say(line: &str) -> Result<(), CommandError> {
    Ok(stream::stdout(&format!("{}\n", text::line(line)))?)
}

fn done(line: &str) -> Result<(), CommandError> {
    mark(anstyle::AnsiColor::Green, "✓", line)
}

fn skipped(line: &str) -> Result<(), CommandError> {
    mark(anstyle::AnsiColor::BrightBlack, "–", line)
}

fn mark(color: anstyle::AnsiColor, mark: &str, line: &str) -> Result<(), CommandError> {
    let style = color.on_default();
    Ok(stream::stdout(&format!("{style}{mark}{style:#} {}\n", text::line(line)))?)
}
