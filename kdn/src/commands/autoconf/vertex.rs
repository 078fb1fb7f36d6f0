//! Claude on Vertex AI, where the user has it already.

use std::path::PathBuf;

use super::{Stage, done, say, skipped, target::configured};
use crate::{
    config::{
        WorkspaceConfig,
        file::{EnvVar, Mount},
    },
    env::Env,
    files::absolute,
    output::CommandError,
};

pub(super) const AGENT: &str = "claude";
const SWITCH: &str = "CLAUDE_CODE_USE_VERTEX";
const VARIABLES: [&str; 3] = [SWITCH, "ANTHROPIC_VERTEX_PROJECT_ID", "CLOUD_ML_REGION"];
/// Where Google's libraries look for credentials; inside, and on the host too unless it is Windows.
const CREDENTIALS: &str = "$HOME/.config/gcloud/application_default_credentials.json";

pub(super) async fn run(stage: &Stage<'_>) -> Result<(), CommandError> {
    let Some(detected) = detect(stage)? else { return Ok(()) };
    let targets = [&stage.targets.claude, &stage.targets.local];
    let has = |config: &WorkspaceConfig| config.environment.iter().any(|variable| variable.name == SWITCH);
    if let Some(levels) = configured(&targets, has)? {
        return done(&format!("Vertex AI already configured for Claude ({levels})."));
    }
    say(&format!("Detected Vertex AI configuration ({SWITCH} + ADC file)"))?;
    let first = "Configure Claude workspaces for Vertex AI (env vars + ADC file mount)?";
    let target = stage.answers.confirm_and_choose(first, "Add Vertex AI configuration to", &targets).await?;
    let Some(target) = target else { return skipped("Skipped Vertex AI configuration.") };
    target.add(&detected)?;
    done(&format!("Configured Vertex AI in {}.", target.name))
}

/// What a workspace needs of it. `None`: not all of it is there.
fn detect(stage: &Stage<'_>) -> Result<Option<WorkspaceConfig>, CommandError> {
    let mut environment = Vec::new();
    for name in VARIABLES {
        let Some(value) = Env::named(name).ok().filter(|value| !value.is_empty()) else { return Ok(None) };
        environment.push(EnvVar { name: name.to_owned(), value: Some(value), secret: None });
    }
    let Some(host) = credentials(stage)? else { return Ok(None) };
    let mounts = vec![Mount { host, target: CREDENTIALS.to_owned(), ro: Some(true) }];
    Ok(Some(WorkspaceConfig { environment, mounts, ..WorkspaceConfig::default() }))
}

/// The file of the credentials, as a mount names it.
fn credentials(stage: &Stage<'_>) -> Result<Option<String>, CommandError> {
    let env = &stage.context.env;
    let (path, usual) = match (&env.google_credentials, &env.app_data, &env.home) {
        (Some(path), _, _) => (absolute(path)?, None),
        (None, Some(data), _) if cfg!(windows) => {
            (data.join("gcloud").join("application_default_credentials.json"), None)
        }
        (None, _, Some(home)) => {
            let inside: PathBuf = CREDENTIALS.trim_start_matches("$HOME/").split('/').collect();
            (home.join(inside), Some(CREDENTIALS))
        }
        _ => return Ok(None),
    };
    let host = usual.or(path.to_str()).map(str::to_owned);
    Ok(host.filter(|_| path.is_file()))
}
