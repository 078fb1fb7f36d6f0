//! Configuration files in the user's home that are of use in every workspace.

use super::{Stage, done, say, skipped, target::configured};
use crate::{
    config::{WorkspaceConfig, file::Mount},
    output::CommandError,
};

const FILES: [&str; 1] = [".gitconfig"];

pub(super) async fn run(stage: &Stage<'_>) -> Result<(), CommandError> {
    let Some(home) = &stage.context.env.home else { return Ok(()) };
    for file in FILES.into_iter().filter(|file| home.join(file).is_file()) {
        add(stage, &format!("$HOME/{file}")).await?;
    }
    Ok(())
}

async fn add(stage: &Stage<'_>, path: &str) -> Result<(), CommandError> {
    let targets = stage.targets.shared();
    let has = |config: &WorkspaceConfig| config.mounts.iter().any(|mount| mount.target == path);
    if let Some(levels) = configured(&targets, has)? {
        return done(&format!("{path} already mounted ({levels})."));
    }
    say(&format!("Detected home config file {path}"))?;
    let first = format!("Mount {path} read-only?");
    let target = stage.answers.confirm_and_choose(&first, "Add home config file mount to", &targets).await?;
    let Some(target) = target else { return skipped(&format!("Skipped {path}.")) };
    let mount = Mount { host: path.to_owned(), target: path.to_owned(), ro: Some(true) };
    target.add(&WorkspaceConfig { mounts: vec![mount], ..WorkspaceConfig::default() })?;
    done(&format!("Added {path} mount to {}.", target.name))
}
