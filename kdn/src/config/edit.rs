//! Additions to a level of the configuration. Nothing of what is in its file already is lost.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{WorkspaceConfig, shape};
use crate::document::{self, Document, Format};
use crate::files;
use crate::output::Advice;

/// Never deleted, as another process may wait for it.
const LOCK: &str = "config.lock";

/// A level of the configuration in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    storage: PathBuf,
    path: PathBuf,
    /// The key of the level, where the file holds several.
    entry: Option<String>,
}

/// A configuration that can't be added to.
#[derive(Debug, thiserror::Error)]
#[error("failed to change {}", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

impl Advice for Error {
    fn hints(&self) -> Vec<String> {
        match self.source.kind() {
            ErrorKind::InvalidData => vec![format!("Correct {}", self.path.display())],
            _ => Vec::new(),
        }
    }
}

impl Place {
    /// `workspace.json` in a configuration folder. `storage` is where the lock is.
    pub fn workspace(storage: &Path, folder: &Path) -> Self {
        Self { storage: storage.to_owned(), path: folder.join("workspace.json"), entry: None }
    }

    /// The entry of `projects.json` for a project; `""` is for all.
    pub fn project(storage: &Path, id: &str) -> Self {
        Self::entry(storage, "config/projects.json", id)
    }

    /// The entry of `agents.json` for an agent.
    pub fn agent(storage: &Path, name: &str) -> Self {
        Self::entry(storage, "config/agents.json", name)
    }

    fn entry(storage: &Path, file: &str, key: &str) -> Self {
        Self { storage: storage.to_owned(), path: storage.join(file), entry: Some(key.to_owned()) }
    }

    /// What the level says now, as far as kdn knows it.
    pub fn read(&self) -> Result<WorkspaceConfig, Error> {
        let found = self.open()?.get(&self.way()).filter(|value| !value.is_null());
        let Some(found) = found else { return Ok(WorkspaceConfig::default()) };
        if let Some(misfit) = shape::CONFIG.misfit(&found) {
            return Err(self.wrong(misfit));
        }
        serde_json::from_value(found).map_err(|error| self.wrong(error.to_string()))
    }

    /// Adds what the level does not have: elements of lists, keys of maps.
    pub fn add(&self, addition: &WorkspaceConfig) -> Result<(), Error> {
        let failed = |source| Error { path: self.path.clone(), source };
        files::create_folder(&self.storage, 0o700).map_err(failed)?;
        let lock = files::open_lock(&self.storage.join(LOCK)).map_err(failed)?;
        files::lock(&lock).map_err(failed)?;
        let mut document = self.open()?;
        let mut is_changed = false;
        let Value::Object(fields) = serde_json::to_value(addition).expect("configurations are plain") else {
            return Ok(());
        };
        for (field, new) in fields {
            let mut way = self.way();
            way.push(&field);
            let old = document.get(&way).unwrap_or_default();
            let joined = join(old.clone(), new);
            if joined != old {
                is_changed = true;
                document.set(&way, joined).map_err(|problem| self.wrong(problem))?;
            }
        }
        if !is_changed {
            return Ok(());
        }
        // Who keeps the file elsewhere and has a link to it goes on doing so.
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        files::create_folder(path.parent().unwrap_or(Path::new("/")), 0o700).map_err(failed)?;
        files::write_atomic(&path, document.text().as_bytes(), 0o600).map_err(failed)
    }

    fn way(&self) -> Vec<&str> {
        self.entry.iter().map(String::as_str).collect()
    }

    fn open(&self) -> Result<Box<dyn Document>, Error> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error { path: self.path.clone(), source }),
        };
        document::parse(Format::Json, &text).map_err(|problem| self.wrong(problem))
    }

    fn wrong(&self, problem: String) -> Error {
        Error { path: self.path.clone(), source: io::Error::new(ErrorKind::InvalidData, problem) }
    }
}

/// What there is, and after it what is new.
fn join(old: Value, new: Value) -> Value {
    match (old, new) {
        (Value::Null, new) => new,
        (Value::Array(mut all), Value::Array(new)) => {
            for value in new {
                if !all.iter().any(|other| is_same(other, &value)) {
                    all.push(value);
                }
            }
            Value::Array(all)
        }
        (Value::Object(mut all), Value::Object(new)) => {
            for (key, value) in new {
                all.entry(key).or_insert(value);
            }
            Value::Object(all)
        }
        (old, _) => old,
    }
}

/// Whether two elements stand for the same: variables go by their name, mounts by their paths.
fn is_same(a: &Value, b: &Value) -> bool {
    let keys: &[&str] = if b.get("name").is_some() { &["name"] } else { &["host", "target"] };
    if b.is_object() { keys.iter().all(|key| a.get(key) == b.get(key)) } else { a == b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> WorkspaceConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_there_stays_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::project(dir.path(), "https://example.com/app/");
        fs::create_dir(dir.path().join("config")).unwrap();
        let old = r#"{
  "$schema": "x",
  "": {"secrets": ["z"]},
  "https://example.com/app/": {
    "mine": [1,  2],
    "ports": null,
    "environment": [{"name": "A", "value": "1", "note": "mine"}]
  }
}
"#;
        let path = dir.path().join("config/projects.json");
        files::write_atomic(&path, old.as_bytes(), 0o600).unwrap();
        let addition = config(
            r#"{"environment": [{"name": "A", "value": "2"}, {"name": "B", "value": ""}], "ports": [80],
                "mounts": [{"host": "/a", "target": "/b", "ro": true}], "features": {"f": {}}}"#,
        );
        place.add(&addition).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "$schema": "x",
          "": {"secrets": ["z"]},
          "https://example.com/app/": {
            "mine": [1,  2],
            "ports": [80],
            "environment": [
              {
                "name": "A",
                "note": "mine",
                "value": "1"
              },
              {
                "name": "B",
                "value": ""
              }
            ],
            "features": {
              "f": {}
            },
            "mounts": [
              {
                "host": "/a",
                "ro": true,
                "target": "/b"
              }
            ]
          }
        }
        "#);
        place.add(&addition).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(place.read().unwrap().ports, [80]);
        assert_eq!(Place::project(dir.path(), "").read().unwrap().secrets, ["z"]);
        assert_eq!(Place::project(dir.path(), "other").read().unwrap(), WorkspaceConfig::default());
    }

    #[test]
    fn a_new_file_is_its_owners_and_a_broken_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::workspace(dir.path(), &dir.path().join("app/.kaiden"));
        assert_eq!(place.read().unwrap(), WorkspaceConfig::default());
        assert!(!dir.path().join("app").exists());
        place.add(&config(r#"{"secrets": ["github"]}"#)).unwrap();
        let path = dir.path().join("app/.kaiden/workspace.json");
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        {
          "secrets": ["github"]
        }
        "#);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        files::write_atomic(&path, b"{", 0o600).unwrap();
        let error = place.add(&config(r#"{"ports": [1]}"#)).unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::InvalidData);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{");
    }
}
