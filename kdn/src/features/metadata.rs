//! What a feature says of itself: `devcontainer-feature.json`.

use std::{collections::BTreeMap, fs, path::Path};

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Problem, error::Result};

const FILE: &str = "devcontainer-feature.json";
const SCRIPT: &str = "install.sh";

/// What would need something of the workspace that no driver is asked for.
const UNSUPPORTED: [&str; 11] = [
    "capAdd",
    "entrypoint",
    "init",
    "mounts",
    "onCreateCommand",
    "postAttachCommand",
    "postCreateCommand",
    "postStartCommand",
    "privileged",
    "securityOpt",
    "updateContentCommand",
];

/// What a feature says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) container_env: BTreeMap<String, String>,
    pub(super) options: BTreeMap<String, Choice>,
    /// Features that come first where they are wanted too.
    pub(super) installs_after: Vec<String>,
    /// Features that it needs, with their options.
    pub(super) depends_on: BTreeMap<String, Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// An option of a feature.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) r#type: String,
    pub(super) default: Option<Value>,
    pub(super) r#enum: Option<Vec<String>>,
}

impl Metadata {
    /// Reads that of a feature in a folder, which has to be whole.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        if !folder.join(SCRIPT).is_file() {
            return Err(Problem::Missing(SCRIPT));
        }
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(Problem::Missing(FILE));
        }
        let text = fs::read_to_string(&path).map_err(|error| Problem::Metadata(error.to_string()))?;
        Self::parse(&text)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let metadata: Self = parse_to_serde_value(text, &ParseOptions::default())
            .map_err(|error| Problem::Metadata(error.to_string()))?;
        for (name, value) in &metadata.container_env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(Problem::Metadata(format!("environment variable {name:?} is not usable")));
            }
        }
        Ok(metadata)
    }

    /// What it wants that has no effect.
    pub(super) fn unsupported(&self) -> impl Iterator<Item = &'static str> {
        UNSUPPORTED.into_iter().filter(|&key| {
            let value = self.others.get(key).unwrap_or(&Value::Null);
            !matches!(value, Value::Null | Value::Bool(false))
                && value.as_array().is_none_or(|list| !list.is_empty())
        })
    }
}

/// The options with which a feature needs another one; a text alone is a version.
pub(super) fn options_of(needed: &Value) -> Result<Map<String, Value>> {
    match needed {
        Value::Object(options) => Ok(options.clone()),
        Value::String(version) => Ok(Map::from_iter([("version".to_owned(), version.clone().into())])),
        other => Err(Problem::Metadata(format!("{other} in dependsOn holds no options"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_fine_and_what_is_not_done_is_known() {
        let text = r#"{
            // as people write them
            "id": "x", "containerEnv": {"A": "${A}:b"}, "installsAfter": ["y"], "dependsOn": {"z:1": {}},
            "privileged": true, "init": false, "capAdd": [], "mounts": [{"target": "/x"}], "customizations": {},
        }"#;
        let metadata = Metadata::parse(text).unwrap();
        assert_eq!(metadata.container_env["A"], "${A}:b");
        assert_eq!(metadata.unsupported().collect::<Vec<_>>(), ["mounts", "privileged"]);
        for wrong in ["", "[]", r#"{"containerEnv": {"A=B": "c"}}"#, r#"{"containerEnv": {"A": 1}}"#] {
            assert!(matches!(Metadata::parse(wrong), Err(Problem::Metadata(_))), "{wrong}");
        }
    }
}
