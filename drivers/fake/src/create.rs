//! `create`: the home first, then what is installed, then the record, which is the moment when the instance exists.

use std::path::Path;

use kdn_protocol::{Error, Instance, Workspace, driver::Context};

use crate::{
    agents,
    claim::Claim,
    files, home, live,
    options::Options,
    ports,
    record::{Record, number},
    step,
    store::{Place, Store},
};

/// A claimed id whose processes and folders go away again, unless the instance is made.
struct Draft {
    id: String,
    place: Place,
    kept: bool,
    /// Dropped last: the id is free once the home is gone.
    _claim: Claim,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // What can't be removed is in nobody's way: the next owner of the id empties it.
            let _ = live::kill(&self.place);
            let _ = files::remove_dir(&self.place.work);
            let _ = files::remove_dir(&self.place.home);
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
    let mut draft = Draft { place: store.place(&id), id, kept: false, _claim: claim };

    step::step(context, options.step_delay, "Writing files", "Files written").await?;
    home::write(&draft.place.home, &workspace.files, context).await?;
    step::burst(context, options.steps).await?;
    live::install(&draft.place, &workspace, context).await?;
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
    agents::check(&workspace.agent, &workspace.source_path)?;
    let need = |there: bool, field: String, path: &Path, what: &str| {
        if there {
            return Ok(());
        }
        Err(Error::invalid_workspace(field, format!("{} is not {what}", path.display())))
    };
    let source = &workspace.source_path;
    need(source.is_dir(), "sourcePath".into(), source, "a folder")?;
    for (i, feature) in workspace.features.iter().enumerate() {
        let script = feature.directory.join("install.sh");
        need(script.is_file(), format!("features[{i}].directory"), &script, "a file")?;
    }
    ports::check(&workspace.ports)?;
    live::check(workspace)
}
