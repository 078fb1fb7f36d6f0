//! What the failure of a command says of a container, and not of the engine.

use std::path::{Path, PathBuf};

use kdn_protocol::Forward;

use super::{Facts, Instances};
use crate::engine::says;
use crate::error::{Error, ErrorKind};

/// Whether the container of a command is not there.
pub(super) fn is_gone(error: &Error) -> bool {
    says(error, &["no such container", "no container with name or id"]).is_some()
}

impl Instances {
    /// The error of a `create` that failed.
    pub(super) fn explain_create(&self, error: Error) -> Error {
        if let Some(said) = says(&error, &["already in use"]) {
            let message = "another container has the name of this one";
            return self.because(error, ErrorKind::AlreadyExists, message.to_owned(), &said);
        }
        self.explain_secret(error, "failed to create the container")
    }

    /// The error of a `start` that failed.
    pub(super) fn explain_start(&self, error: Error, id: &str, facts: &Facts) -> Error {
        let doing = "failed to start the container";
        if is_gone(&error) {
            return Error::instance_not_found(id);
        }
        let taken = ["address already in use", "port is already allocated", "ports are not available"];
        if let Some(said) = says(&error, &taken) {
            let message = format!("{doing}: host port {} is taken", ports(&said, &facts.forwards));
            return self
                .because(error, ErrorKind::Unavailable, message, &said)
                .hint("end the program that holds it, and try again");
        }
        // Engines don't always tell which.
        let mut hosts =
            std::iter::once(Path::new(&facts.source)).chain(facts.mounts.iter().map(PathBuf::as_path));
        if error.data.command.is_some()
            && let Some(missing) = hosts.find(|path| !path.exists())
        {
            let message = format!("{doing}: {} is not there any more", missing.display());
            return self
                .because(error, ErrorKind::InvalidState, message, "")
                .hint("put it back, or make the workspace anew");
        }
        self.explain_secret(error, doing)
    }

    fn explain_secret(&self, error: Error, doing: &str) -> Error {
        let Some(said) = says(&error, &["no such secret", "no secret with name"]) else { return error };
        let message = format!("{doing}: a secret of its environment is not in the engine's store");
        let mut error = self
            .because(error, ErrorKind::InvalidWorkspace, message, &said)
            .hint("create it: podman secret create NAME FILE");
        error.data.field_path = Some("environment".to_owned());
        error
    }

    /// Another error for a failure, with what the engine said.
    fn because(&self, error: Error, kind: ErrorKind, message: String, said: &str) -> Error {
        let mut new = Error::new(kind, message);
        new.data.command = error.data.command;
        if said.is_empty() { new } else { new.hint(format!("{} says: {said}", self.engine().table().name)) }
    }
}

/// The host ports that the engine names, or all of them.
fn ports(said: &str, forwards: &[Forward]) -> String {
    let port = |forward: &Forward| forward.port.to_string();
    let named: Vec<String> =
        forwards.iter().map(port).filter(|port| said.contains(&format!(":{port}"))).collect();
    let all = || forwards.iter().map(port).collect();
    if named.is_empty() { all() } else { named }.join(" or ")
}
