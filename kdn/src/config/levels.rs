//! Where configurations come from: four levels in three files, each of which may be absent.
//!
//! From the lowest to the highest: `workspace.json` in the workspace's configuration folder, the entry `""` of
//! `projects.json`, the project's entry in it, and the agent's entry in `agents.json`. The latter two files are in the
//! folder `config` of the storage. Nothing is ever written.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

use super::file::{Entries, WorkspaceConfig};
use super::shape::{self, Shape};
use super::{Error, Invalid, Level, Problem, Warning, unknown};

type Result<T, E = Error> = std::result::Result<T, E>;

/// A configuration, and what its user should be told about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The configuration, valid in itself.
    pub config: WorkspaceConfig,
    /// Keys that were ignored.
    pub warnings: Vec<Warning>,
}

impl Loaded {
    /// This with a higher level laid over it.
    #[must_use]
    fn merge(mut self, over: Self) -> Self {
        self.warnings.extend(over.warnings);
        Self { config: self.config.merge(over.config), warnings: self.warnings }
    }
}

/// The configuration of a workspace from all levels.
pub fn load(config_dir: &Path, storage: &Path, project: &str, agent: &str) -> Result<Loaded> {
    Ok(workspace(config_dir)?.merge(self::project(storage, project)?).merge(self::agent(storage, agent)?))
}

/// The level of `workspace.json` alone.
pub fn workspace(config_dir: &Path) -> Result<Loaded> {
    let file = File { path: config_dir.join("workspace.json") };
    match file.read::<WorkspaceConfig>(&Level::Workspace, &shape::CONFIG)? {
        Some((config, raw)) => file.check(&Level::Workspace, config, &raw),
        None => Ok(Loaded::default()),
    }
}

/// The two levels of `projects.json`: that of all projects, and over it that of this one.
pub fn project(storage: &Path, project: &str) -> Result<Loaded> {
    let file = File { path: storage.join("config/projects.json") };
    let all = file.entries(&[(Level::Global, ""), (Level::Project(project.to_owned()), project)])?;
    Ok(all.into_iter().reduce(Loaded::merge).unwrap_or_default())
}

/// The level of `agents.json`.
pub fn agent(storage: &Path, agent: &str) -> Result<Loaded> {
    let file = File { path: storage.join("config/agents.json") };
    let level = Level::Agent(agent.to_owned());
    if agent.is_empty() {
        return Err(file.error(&level, Problem::NoAgentName));
    }
    Ok(file.entries(&[(level, agent)])?.pop().unwrap_or_default())
}

fn other_case(key: &str, meant: &str) -> Option<Invalid> {
    let last = key.rsplit('.').next()?;
    let problem = format!("key {key:?} must be written {meant:?}");
    last.eq_ignore_ascii_case(meant).then(|| Invalid { field: key.to_owned(), problem })
}

/// A file of configurations.
struct File {
    path: PathBuf,
}

impl File {
    fn error(&self, level: &Level, problem: Problem) -> Error {
        Error { level: level.clone(), path: self.path.clone(), problem }
    }

    /// What the file says, in its type and as it stands there.
    fn read<T: DeserializeOwned>(&self, level: &Level, shape: &Shape) -> Result<Option<(T, Value)>> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error(level, Problem::Read(error))),
        };
        let wrong = |error| self.error(level, Problem::Parse(error));
        let raw = serde_json::from_slice(&bytes).map_err(wrong)?;
        if let Some(misfit) = shape.misfit(&raw) {
            return Err(wrong(serde_json::Error::custom(misfit)));
        }
        let typed = serde_json::from_slice(&bytes).map_err(wrong)?;
        Ok(Some((typed, raw)))
    }

    /// The entries under these keys, as far as there are any. Others are not looked at.
    fn entries(&self, wanted: &[(Level, &str)]) -> Result<Vec<Loaded>> {
        let Some((level, _)) = wanted.first() else { return Ok(Vec::new()) };
        let Some((Entries(mut entries), raw)) = self.read(level, &shape::ENTRIES)? else {
            return Ok(Vec::new());
        };
        let found = wanted.iter().filter_map(|(level, key)| Some((level, key, entries.remove(*key)?)));
        found.map(|(level, key, config)| self.check(level, config, &raw[*key])).collect()
    }

    fn check(&self, level: &Level, config: WorkspaceConfig, raw: &Value) -> Result<Loaded> {
        let unknown = unknown::find(raw);
        // Of a policy that is written so, its author must not believe that it applies. First, as what is missing
        // otherwise may be what is written so.
        let other_case = unknown.iter().find_map(|(key, meant)| other_case(key, (*meant)?));
        let valid = other_case.map_or_else(|| config.validate(), Err);
        valid.map_err(|invalid| self.error(level, Problem::Invalid(invalid)))?;
        let warnings = unknown.into_iter().map(|(key, suggestion)| {
            let (path, level) = (self.path.clone(), level.clone());
            Warning { path, level, key, suggestion }
        });
        Ok(Loaded { config, warnings: warnings.collect() })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::files;
    use crate::output::CommandError;

    /// A folder that is both the configuration's and the storage, with these files.
    fn folder(contents: &[(&str, &str)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("config")).unwrap();
        for (name, text) in contents {
            files::write_atomic(&dir.path().join(name), text.as_bytes(), 0o600).unwrap();
        }
        dir
    }

    fn load_from(dir: &TempDir) -> Result<Loaded> {
        load(dir.path(), dir.path(), "https://example.com/app/", "claude")
    }

    #[test]
    fn higher_levels_win() {
        let env = |names: &str, value: &str| {
            let all = names.chars().map(|name| format!(r#"{{"name": "{name}", "value": "{value}"}}"#));
            format!(r#"{{"environment": [{}]}}"#, all.collect::<Vec<_>>().join(","))
        };
        let projects = format!(
            r#"{{"": {}, "https://example.com/app/": {}, "https://example.com/": {}, "other": {{"ports": [0]}}}}"#,
            env("BCD", "global"),
            env("CD", "project"),
            env("ABCD", "parent")
        );
        let agents =
            format!(r#"{{"$schema": "agents.schema.json", "claude": {}, "goose": null}}"#, env("D", "agent"));
        let dir = folder(&[
            ("workspace.json", &env("ABCD", "workspace")),
            ("config/projects.json", &projects),
            ("config/agents.json", &agents),
        ]);
        let loaded = load_from(&dir).unwrap();
        let variables = loaded.config.environment.into_iter();
        let values: Vec<_> = variables.map(|it| format!("{}={}", it.name, it.value.unwrap())).collect();
        assert_eq!(values, ["A=workspace", "B=global", "C=project", "D=agent"]);
        assert_eq!(loaded.warnings, []);
    }

    #[test]
    fn without_files_it_is_empty_and_nothing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load_from(&dir).unwrap(), Loaded::default());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn errors_say_where_they_are() {
        let invalid = r#"{"ports": [8080, 0]}"#;
        let entry = |key: &str| format!(r#"{{"{key}": {invalid}}}"#);
        let (global, project, agent) = (entry(""), entry("https://example.com/app/"), entry("claude"));
        let cases = [
            ("workspace.json", "{\n  \"ports\": [}"),
            ("workspace.json", r#"{"limits": {"memory": "2 gigs"}}"#),
            ("workspace.json", invalid),
            ("workspace.json", r#"{"network": {"Mode": "deny"}}"#),
            ("workspace.json", r#"{"mounts": [{"Host": "/a", "target": "/t"}]}"#),
            ("workspace.json", r#"{"network": [["a"], "deny"]}"#),
            ("workspace.json", r#"{"ports": [1], "ports": [2]}"#),
            ("config/projects.json", "[]"),
            ("config/projects.json", &global),
            ("config/projects.json", &project),
            ("config/agents.json", "{\"x\": {\"mounts\": {}}}"),
            ("config/agents.json", &agent),
        ];
        let texts = cases.map(|case| {
            let dir = folder(&[case]);
            let error = CommandError::from(load_from(&dir).unwrap_err());
            error.to_text().replace(&dir.path().display().to_string(), "DIR").replace('\\', "/")
        });
        insta::assert_snapshot!(texts.concat(), @r#"
        Error: workspace configuration validation failed: failed to parse DIR/workspace.json: expected value at line 2 column 13
        Correct DIR/workspace.json
        Error: workspace configuration validation failed: failed to parse DIR/workspace.json: invalid amount of memory "2 gigs" (must be a number and a unit such as MiB or GiB) at line 1 column 30
        Correct DIR/workspace.json
        Error: workspace configuration validation failed: invalid workspace configuration: port 0 (index 1) is invalid (must be from 1 to 65535)
        Correct ports[1] in DIR/workspace.json
        Error: workspace configuration validation failed: invalid workspace configuration: key "network.Mode" must be written "mode"
        Correct network.Mode in DIR/workspace.json
        Error: workspace configuration validation failed: invalid workspace configuration: key "mounts[0].Host" must be written "host"
        Correct mounts[0].Host in DIR/workspace.json
        Error: workspace configuration validation failed: failed to parse DIR/workspace.json: network must be an object, not a list
        Correct DIR/workspace.json
        Error: workspace configuration validation failed: failed to parse DIR/workspace.json: duplicate field `ports` at line 1 column 22
        Correct DIR/workspace.json
        Error: failed to merge configurations: failed to load project configuration: invalid project configuration: failed to parse projects.json: it must be an object, not a list
        Correct DIR/config/projects.json
        Error: failed to merge configurations: failed to load project configuration: invalid project configuration: global configuration validation failed: invalid workspace configuration: port 0 (index 1) is invalid (must be from 1 to 65535)
        Correct ports[1] for all projects in DIR/config/projects.json
        Error: failed to merge configurations: failed to load project configuration: invalid project configuration: project "https://example.com/app/" configuration validation failed: invalid workspace configuration: port 0 (index 1) is invalid (must be from 1 to 65535)
        Correct ports[1] for project "https://example.com/app/" in DIR/config/projects.json
        Error: failed to merge configurations: failed to load agent configuration: invalid agent configuration: failed to parse agents.json: ["x"].mounts must be a list, not an object
        Correct DIR/config/agents.json
        Error: failed to merge configurations: failed to load agent configuration: invalid agent configuration: agent "claude" configuration validation failed: invalid workspace configuration: port 0 (index 1) is invalid (must be from 1 to 65535)
        Correct ports[1] for agent "claude" in DIR/config/agents.json
        "#);
    }

    #[test]
    fn an_agent_needs_a_name() {
        let error = agent(Path::new("/nowhere"), "").unwrap_err();
        insta::assert_snapshot!(error, @r"failed to merge configurations: failed to load agent configuration: invalid agent configuration: agent name cannot be empty");
    }

    #[test]
    fn a_folder_in_place_of_a_file_is_an_error() {
        let dir = folder(&[]);
        fs::create_dir(dir.path().join("workspace.json")).unwrap();
        let error = workspace(dir.path()).unwrap_err();
        assert!(matches!(error.problem, Problem::Read(_)), "{error}");
    }

    #[test]
    fn unknown_keys_of_the_entries_in_use_are_reported() {
        let dir = folder(&[
            (
                "workspace.json",
                r#"{"$schema": "x", "mounts": [{"hots": "/a", "host": "/b", "target": "/c"}]}"#,
            ),
            ("config/projects.json", r#"{"": {"netwrok": {}}, "other": {"nonsense": 1}}"#),
            ("config/agents.json", r#"{"claude": {"nonsense": 1}}"#),
        ]);
        let warnings = load_from(&dir).unwrap().warnings;
        let texts: Vec<_> = warnings.iter().map(|it| it.to_string().replace('\\', "/")).collect();
        let texts = texts.join("\n").replace(&dir.path().display().to_string().replace('\\', "/"), "DIR");
        insta::assert_snapshot!(texts, @r#"
        unknown key "mounts[0].hots" in DIR/workspace.json, did you mean "host"?
        unknown key "netwrok" for all projects in DIR/config/projects.json, did you mean "network"?
        unknown key "nonsense" for agent "claude" in DIR/config/agents.json
        "#);
    }
}
