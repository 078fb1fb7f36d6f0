//! What can go wrong with the files of the configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Invalid;
use crate::output::Advice;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", level.doing(), said(level, path, problem))]
pub struct Error {
    /// Which configuration.
    pub level: Level,
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Which configuration, from the lowest to the highest.
///
/// `Display` names the entry of the file for the end of a phrase: ` for agent "claude"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `workspace.json`.
    Workspace,
    /// The entry of `projects.json` for all projects.
    Global,
    /// The entry of `projects.json` for this project.
    Project(String),
    /// The entry of `agents.json` for this agent.
    Agent(String),
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum Problem {
    /// It cannot be read.
    Read(io::Error),
    /// It is no JSON, or a value is of the wrong type.
    Parse(serde_json::Error),
    /// A value is not acceptable.
    Invalid(Invalid),
    /// An agent without a name cannot have a configuration.
    NoAgentName,
}

impl Level {
    fn doing(&self) -> &'static str {
        match self {
            Self::Workspace => "workspace configuration validation failed: ",
            Self::Global | Self::Project(_) => {
                "failed to merge configurations: failed to load project configuration: "
            }
            Self::Agent(_) => "failed to merge configurations: failed to load agent configuration: ",
        }
    }

    /// The file and the sort of configuration in it.
    const fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Workspace => ("workspace.json", "workspace"),
            Self::Global | Self::Project(_) => ("projects.json", "project"),
            Self::Agent(_) => ("agents.json", "agent"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace => Ok(()),
            Self::Global => f.write_str(" for all projects"),
            Self::Project(id) => write!(f, " for project {id:?}"),
            Self::Agent(name) => write!(f, " for agent {name:?}"),
        }
    }
}

fn said(level: &Level, path: &std::path::Path, problem: &Problem) -> String {
    let (file, sort) = level.names();
    let invalid = format!("invalid {sort} configuration");
    match (problem, level) {
        (Problem::Read(error), _) => format!("failed to read {}: {error}", path.display()),
        (Problem::NoAgentName, _) => format!("{invalid}: agent name cannot be empty"),
        (Problem::Parse(error), Level::Workspace) => format!("failed to parse {}: {error}", path.display()),
        (Problem::Parse(error), _) => format!("{invalid}: failed to parse {file}: {error}"),
        (Problem::Invalid(error), Level::Workspace) => error.to_string(),
        (Problem::Invalid(error), Level::Global) => {
            format!("{invalid}: global configuration validation failed: {error}")
        }
        (Problem::Invalid(error), Level::Project(name) | Level::Agent(name)) => {
            format!("{invalid}: {sort} {name:?} configuration validation failed: {error}")
        }
    }
}

impl Advice for Error {
    fn hints(&self) -> Vec<String> {
        let path = self.path.display();
        match &self.problem {
            Problem::Read(_) | Problem::NoAgentName => Vec::new(),
            Problem::Parse(_) => vec![format!("Correct {path}")],
            Problem::Invalid(invalid) => vec![format!("Correct {}{} in {path}", invalid.field, self.level)],
        }
    }
}
