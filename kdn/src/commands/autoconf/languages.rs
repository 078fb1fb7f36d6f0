//! The languages of the project, which become features of its workspaces, and its ports.

use std::path::Path;

use super::{
    Stage,
    detect::{self, Language},
    done, say, skipped,
};
use crate::{config::WorkspaceConfig, output::CommandError};

pub(super) async fn run(stage: &Stage<'_>, sources: &Path) -> Result<(), CommandError> {
    let found = detect::detect(sources);
    for language in &found.languages {
        add_language(stage, language).await?;
    }
    add_ports(stage, found.ports.into_iter().map(i64::from).collect()).await
}

async fn add_language(
    stage: &Stage<'_>,
    Language { name, feature, .. }: &Language,
) -> Result<(), CommandError> {
    let local = &stage.targets.local;
    // Another version of it is the user's choice.
    let bare = |id: &str| id.rsplit_once(':').map_or(id, |(bare, _)| bare).to_owned();
    if local.read()?.features.keys().any(|other| bare(other) == bare(feature)) {
        return done(&format!("{name} already configured."));
    }
    say(&format!("Detected language: {name}"))?;
    if !stage.answers.confirm(&format!("Add feature {feature:?} to {}?", local.name)).await? {
        return skipped(&format!("Skipped {name}."));
    }
    let features = [((*feature).to_owned(), serde_json::Map::new())].into();
    local.add(&WorkspaceConfig { features, ..WorkspaceConfig::default() })?;
    done(&format!("Added {name} support to {}.", local.name))
}

async fn add_ports(stage: &Stage<'_>, ports: Vec<i64>) -> Result<(), CommandError> {
    let local = &stage.targets.local;
    let there = local.read()?.ports;
    let (old, new): (Vec<i64>, Vec<i64>) = ports.into_iter().partition(|port| there.contains(port));
    for port in old {
        done(&format!("Port {port} already configured."))?;
    }
    if new.is_empty() {
        return Ok(());
    }
    let shown = new.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    say(&format!("Detected ports: {shown}"))?;
    if !stage.answers.confirm(&format!("Add ports {shown} to {}?", local.name)).await? {
        return skipped(&format!("Skipped ports {shown}."));
    }
    local.add(&WorkspaceConfig { ports: new, ..WorkspaceConfig::default() })?;
    done(&format!("Added ports {shown} to {}.", local.name))
}
