//! The tokens of services in the environment, which become secrets.

use kdn_protocol::Secret;

use super::{Stage, done, say, skipped, target::configured};
use crate::{
    commands::named,
    config::WorkspaceConfig,
    env::Env,
    output::CommandError,
    secrets::{Definition, SERVICES, Service},
};

pub(super) async fn run(stage: &Stage<'_>) -> Result<(), CommandError> {
    let mut is_any = false;
    for service in &SERVICES {
        let value =
            |&name: &&'static str| Some((name, Env::named(name).ok().filter(|value| !value.is_empty())?));
        if let Some((variable, value)) = service.variables.iter().find_map(value) {
            is_any = true;
            add(stage, service, variable, value).await?;
        }
    }
    if is_any { Ok(()) } else { say("No secrets detected in environment.") }
}

async fn add(
    stage: &Stage<'_>,
    service: &Service,
    variable: &str,
    value: String,
) -> Result<(), CommandError> {
    let value = Secret::new(value);
    let name = service.name.to_owned();
    let secrets = stage.context.secrets();
    let list = secrets.list().map_err(|error| named::failed("failed to list secrets", error))?;
    let is_there = list.iter().any(|one| one.name == name);
    let levels = configured(&stage.targets.shared(), |config| config.secrets.contains(&name))?;
    if let Some(levels) = levels.as_ref().filter(|_| is_there) {
        return done(&format!("Secret {name:?} already configured ({levels})."));
    }
    say(&format!("Detected secret {name:?} from {variable}"))?;
    if is_there {
        say(&format!("Secret {name:?} already exists, skipping creation."))?;
    } else if stage.answers.confirm(&format!("Create secret {name:?}?")).await? {
        let definition =
            Definition { name: name.clone(), r#type: service.name.to_owned(), ..Definition::default() };
        let created = secrets.create(definition, value).await;
        created.map_err(|error| named::failed("failed to create secret", error))?;
        done(&format!("Created secret {name:?}."))?;
    } else {
        return skipped(&format!("Skipped {name:?}."));
    }
    if let Some(levels) = levels {
        return done(&format!("Secret {name:?} already configured ({levels})."));
    }
    let question = format!("Add secret {name:?} to");
    let Some(target) = stage.answers.choose(&question, &stage.targets.shared()).await? else {
        return skipped(&format!("Skipped adding {name:?} to configuration."));
    };
    target.add(&WorkspaceConfig { secrets: vec![name.clone()], ..WorkspaceConfig::default() })?;
    done(&format!("Added secret {name:?} to {}.", target.name))
}
