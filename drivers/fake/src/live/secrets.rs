//! The values of a workspace's secrets: those that came with `start`, and those of this backend's own store, a file
//! of JSON that stands for what other backends have.

use std::{cell::LazyCell, collections::BTreeMap, fs, io};

use kdn_protocol::{Error, ErrorKind, Secret, Workspace};

use crate::env;

type Values = BTreeMap<String, Secret<String>>;

/// A value for each secret that the workspace names, and no others.
pub(super) fn resolve(workspace: &Workspace, given: &Values) -> Result<Values, Error> {
    let injected = workspace.secrets.iter().map(|secret| &secret.name);
    let environment = workspace.environment.iter().filter_map(|variable| variable.secret.as_ref());
    let store = LazyCell::new(read_store);
    let value = |name: &String| {
        let value = match given.get(name) {
            Some(value) => Some(value),
            None => store.as_ref().map_err(Clone::clone)?.get(name),
        };
        Ok((name.clone(), value.cloned().ok_or_else(|| missing(name))?))
    };
    injected.chain(environment).map(value).collect()
}

fn missing(name: &str) -> Error {
    let message = format!("there is no value for secret {name:?}");
    Error::invalid_workspace(format!("secretValues.{name}"), message)
        .hint(format!("make it: `kdn secret create {name:?} --type ...`"))
}

fn read_store() -> Result<Values, Error> {
    let Some(path) = env::secret_store() else { return Ok(Values::new()) };
    let unusable = |why: String| {
        Error::new(ErrorKind::Unavailable, format!("the store of secrets {} {why}", path.display()))
            .hint("make KDN_FAKE_SECRET_STORE name a file with a JSON object of texts")
    };
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Values::new()),
        text => text.map_err(|error| unusable(format!("can't be read: {error}")))?,
    };
    // The parser's own words may quote what it read.
    serde_json::from_slice(&text).map_err(|_| unusable("is not a JSON object of texts".into()))
}
