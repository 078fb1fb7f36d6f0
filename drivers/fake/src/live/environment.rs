//! The environment of every process of an instance.

use std::{collections::BTreeMap, path::Path};

use kdn_protocol::{Feature, Secret, Workspace};
use serde::{Deserialize, Serialize};

use super::members::MARK;
use crate::{env, store::Place};

/// What is the instance's own. It goes from `start` to the keeper and from there to each command, never to disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Environment {
    mark: String,
    home: String,
    /// `containerEnv` of each feature.
    features: Vec<BTreeMap<String, String>>,
    variables: Vec<(String, Secret<String>)>,
}

impl Environment {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            mark: place.mark.clone(),
            home: place.home.display().to_string(),
            features: Vec::new(),
            variables: Vec::new(),
        }
    }

    pub(super) fn add_feature(&mut self, feature: &Feature) {
        self.features.push(feature.container_env.clone());
    }

    /// All that the workspace names, apart from variables whose secret is not among `values`.
    pub(super) fn add_workspace(&mut self, workspace: &Workspace, values: &BTreeMap<String, Secret<String>>) {
        for name in workspace.secrets.iter().flat_map(|secret| &secret.env_names) {
            self.set(name, Secret::new("placeholder".into()));
        }
        for variable in &workspace.environment {
            let value = variable.value.clone().map(Secret::new);
            if let Some(value) = value.or_else(|| values.get(variable.secret.as_ref()?).cloned()) {
                self.set(&variable.name, value);
            }
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Secret<String>) {
        self.variables.push((name.to_owned(), value));
    }

    /// Where HTTP requests are to go first. What the workspace says wins.
    pub(super) fn set_proxy(&mut self, port: u16) {
        let url = format!("http://127.0.0.1:{port}");
        let proxies = ["http_proxy", "HTTP_PROXY"].map(|name| (name.to_owned(), Secret::new(url.clone())));
        self.variables.splice(..0, proxies);
    }

    /// Everything, on top of what is passed on of the user's own.
    pub(super) fn compose(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = env::of_user().collect();
        let programs = Path::new(&self.home).join(".local/bin");
        let path = all.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
        let path = format!("{}:{path}", programs.display());
        all.insert("PATH".into(), path);
        all.insert("HOME".into(), self.home.clone());
        for feature in &self.features {
            let expanded: Vec<_> =
                feature.iter().map(|(name, value)| (name.clone(), expand(value, &all))).collect();
            all.extend(expanded);
        }
        let variables = self.variables.iter();
        all.extend(variables.map(|(name, value)| (name.clone(), value.expose().clone())));
        all.insert(MARK.into(), self.mark.clone());
        all
    }
}

/// Puts the values of `env` in place of `${NAME}`.
fn expand(value: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, (name, after))) =
        rest.split_once("${").and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        expanded.push_str(before);
        expanded.push_str(env.get(name).map(String::as_str).unwrap_or_default());
        rest = after;
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_variables_refer_to_what_was_before() {
        let env = BTreeMap::from([("PATH".into(), "/bin".into())]);
        assert_eq!(expand("/go/bin:${PATH}:${NONE}/x ${PATH", &env), "/go/bin:/bin:/x ${PATH");
    }
}
