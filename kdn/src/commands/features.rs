//! The dev container features of a workspace to be made.

use std::collections::BTreeMap;

use kdn_protocol::{Feature, host::Session};
use serde_json::{Map, Value};

use super::{Context, Report};
use crate::{
    features::{Prepared, Wanted, prepare},
    output::CommandError,
    workspaces::{CREATE, New, unfit},
};

/// Adds features to a workspace. They lie on the disk as long as the value is there.
pub(super) async fn add(
    new: &mut New,
    features: BTreeMap<String, Map<String, Value>>,
    session: &Session,
    context: &Context,
    report: &Report,
) -> Result<Option<Prepared>, CommandError> {
    if features.is_empty() {
        return Ok(None);
    }
    let New { workspace, configuration, .. } = new;
    // Before anything is downloaded for nothing.
    workspace.features = features.keys().map(|id| Feature::new(id, &*configuration)).collect();
    let manifest = session.manifest();
    let needs = workspace.check_needs(&manifest.capabilities);
    needs.map_err(|error| unfit(CREATE, &manifest.r#type, error))?;
    report.step("Downloading devcontainer features", "Devcontainer features downloaded");
    let wanted = Wanted {
        storage: context.storage.clone(),
        name: workspace.workspace_id.chars().take(12).collect(),
        configuration: configuration.clone(),
        features,
    };
    let mut prepared = prepare(wanted, &context.interrupts).await.map_err(|error| {
        let error = CommandError::from(error);
        if error == CommandError::interrupted() {
            return error;
        }
        report.fail(&error.to_string());
        error.context(CREATE)
    })?;
    let notes = report.notes();
    prepared.warnings.iter().for_each(|warning| notes.say(warning));
    workspace.features = std::mem::take(&mut prepared.features);
    Ok(Some(prepared))
}
