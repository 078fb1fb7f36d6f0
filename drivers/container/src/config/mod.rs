//! What users may say about images and agents: JSON files in the storage folder, made once and never overwritten.

mod agent;
mod image;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::files;

pub use agent::{Agent, dashboard, names};
pub use image::{Image, PACKAGES};

/// The folder of the files.
#[derive(Debug, Clone)]
pub struct Config {
    folder: PathBuf,
    /// The driver's type, for messages.
    runtime: &'static str,
}

impl Config {
    pub fn new(storage: &Path, runtime: &'static str) -> Self {
        Self { folder: storage.join("config"), runtime }
    }

    /// Writes the files that are not there.
    pub fn write_defaults(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).doing("failed to create config directory")?;
        self.write_default("image", &Image::default())?;
        names().try_for_each(|name| self.write_default(name, &Agent::known(name)))
    }

    fn write_default(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.path(name);
        if path.exists() {
            return Ok(());
        }
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|error| Error::internal(error.to_string()))?;
        bytes.push(b'\n');
        files::create(&path, &bytes).doing(format_args!("failed to write {}", path.display()))
    }

    /// What `image.json` says, or the defaults where there is none yet.
    pub fn image(&self) -> Result<Image> {
        let image: Option<Image> = self.read("image").doing("failed to load image config")?;
        let image = image.unwrap_or_default();
        image.validate().map_err(|why| self.invalid("image", &why)).doing("failed to load image config")?;
        Ok(image)
    }

    /// What the file of an agent says; `None` if it says what was written at first, or is not there.
    pub fn agent(&self, name: &str) -> Result<Option<Agent>> {
        let doing = "failed to load agent config";
        agent::check_name(name)
            .map_err(|why| Error::invalid_workspace("agent.name", format!("{doing}: {why}")))?;
        let agent: Option<Agent> = self.read(name).doing(doing)?;
        let Some(agent) = agent.filter(|agent| *agent != Agent::known(name)) else { return Ok(None) };
        agent.validate().map_err(|why| self.invalid(name, &why)).doing(doing)?;
        Ok(Some(agent))
    }

    /// The agents that can be run, sorted.
    pub fn agents(&self) -> Vec<String> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let own = files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
        let own = own.filter(|name| name != "image" && agent::check_name(name).is_ok());
        let mut all: Vec<String> = names().map(str::to_owned).chain(own).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The error about an agent that nobody knows how to run.
    pub fn unknown_agent(&self, name: &str) -> Error {
        let message = format!(
            "failed to load agent config: configuration file not found for {} runtime and agent: {}",
            self.runtime,
            self.path(name).display()
        );
        Error::invalid_workspace("agent.name", message)
            .hint(format!("take one of {}, or write that file", self.agents().join(", ")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| self.invalid(name, &error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).doing(path.display()),
        }
    }

    fn invalid(&self, name: &str, why: &str) -> Error {
        Error::new(ErrorKind::InvalidWorkspace, format!("invalid configuration: {why}"))
            .hint(format!("correct {}", self.path(name).display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, text: &str) -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(folder.path(), "podman");
        fs::create_dir(&config.folder).unwrap();
        files::write(&config.path(name), text.as_bytes()).unwrap();
        (folder, config)
    }

    fn wrong(name: &str, text: &str) -> String {
        let (_folder, config) = config(name, text);
        let read = if name == "image" { config.image().map(drop) } else { config.agent(name).map(drop) };
        read.unwrap_err().message
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let image = "failed to load image config: invalid configuration: ";
        let agent = "failed to load agent config: invalid configuration: ";
        assert_eq!(wrong("image", r#"{"version": ""}"#), format!("{image}version cannot be empty"));
        assert_eq!(
            wrong("image", r#"{"version": "43", "sudo": ["dnf"]}"#),
            format!("{image}sudo binary must be an absolute path: dnf")
        );
        assert_eq!(
            wrong("mine", r#"{"terminal_command": [""]}"#),
            format!("{agent}terminal command must have at least one non-empty element")
        );
        assert_eq!(
            Config::new(Path::new("/x"), "podman").agent("a/b").unwrap_err().message,
            "failed to load agent config: invalid configuration: agent name must contain only alphanumeric characters or underscores: a/b"
        );
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let (_folder, config) = config("claude", r#"{"terminal_command": ["claude", "--verbose"]}"#);
        config.write_defaults().unwrap();
        assert_eq!(config.agent("claude").unwrap().unwrap().terminal_command, ["claude", "--verbose"]);
        assert_eq!(config.agent("goose").unwrap(), None, "as it was written at first");
        assert_eq!(config.image().unwrap(), Image::default());
        assert!(config.agents().contains(&"shell".to_owned()));
    }
}
