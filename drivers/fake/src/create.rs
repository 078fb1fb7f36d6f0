//! `create`: the home first, then the record, which is the moment when the instance exists.

use std::path::Path;

use kdn_protocol::{Error, Instance, Workspace, driver::Context};

use crate::{
    claim::Claim,
    driver::AGENTS,
    env, files, home,
    options::Options,
    ports,
    record::{Record, number},
    step,
    store::Store,
    terminal,
};

/// A claimed id whose home goes away again, unless the instance is made.
struct Draft<'a> {
    store: &'a Store,
    id: String,
    kept: bool,
    /// Dropped last: the id is free once the home is gone.
    _claim: Claim,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // What can't be removed is in nobody's way: the next owner of the id empties it.
            let _ = files::remove_dir(&self.store.home(&self.id));
        }
    }
}

pub(crate) async fn create(
    store: &Store,
    workspace: Workspace,
    context: &Context,
) -> Result<Instance, Error> {
    if let Some(record) = store.read()?.same(&workspace)? {
        return Ok(record.clone().into_instance());
    }
    let options = Options::parse(&workspace.options)?;
    check(&workspace)?;
    context.check()?;
    let (id, claim) = store.claim_new()?;
    let mut draft = Draft { store, id, kept: false, _claim: claim };

    step::step(context, options.step_delay, "Writing files", "Files written").await?;
    home::write(&store.home(&draft.id), &workspace.files, context).await?;
    step::burst(context, options.steps).await?;
    step::step(context, options.step_delay, "Creating instance", "Instance created").await?;

    let (instance, kept) = store.change(|book| {
        // Another process may have been faster.
        if let Some(record) = book.same(&workspace)? {
            return Ok((record.clone().into_instance(), false));
        }
        let forwards = ports::choose(&workspace.ports, book)?;
        let record = Record::new(&draft.id, workspace, forwards);
        book.instances.insert(draft.id.clone(), record.clone());
        book.next_id = book.next_id.max(number(&draft.id).unwrap_or_default() + 1);
        Ok((record.into_instance(), true))
    })?;
    draft.kept = kept;
    Ok(instance)
}

/// Refuses what can be seen to be wrong before anything is made.
fn check(workspace: &Workspace) -> Result<(), Error> {
    let agent = &workspace.agent;
    let is_there =
        |command: &String| terminal::find(command, env::path().as_deref(), &workspace.source_path).is_some();
    if !AGENTS.contains(&agent.name.as_str()) && !agent.command.first().is_some_and(is_there) {
        let message = format!("agent {:?} is not known, and has no command that is found", agent.name);
        return Err(Error::invalid_workspace("agent.name", message)
            .hint(format!("take one of these agents: {}", AGENTS.join(", "))));
    }
    let need = |there: bool, field: String, path: &Path, what: &str| {
        if there {
            return Ok(());
        }
        Err(Error::invalid_workspace(field, format!("{} is not {what}", path.display())))
    };
    let source = &workspace.source_path;
    need(source.is_dir(), "sourcePath".into(), source, "a folder")?;
    for (i, mount) in workspace.mounts.iter().enumerate() {
        need(mount.host.exists(), format!("mounts[{i}].host"), &mount.host, "there")?;
    }
    for (i, feature) in workspace.features.iter().enumerate() {
        let script = feature.directory.join("install.sh");
        need(script.is_file(), format!("features[{i}].directory"), &script, "a file")?;
    }
    ports::check(&workspace.ports)
}
