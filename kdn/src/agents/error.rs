//! What can go wrong when the settings of an agent are written.

use std::io;
use std::path::PathBuf;

use crate::output::Advice;

/// Settings that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The agent's name can't be that of a folder.
    #[error("invalid agent name: {0:?}")]
    Name(String),
    /// Something of the user's can't be read.
    #[error("{doing} {}: {error}", path.display())]
    Read {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// A file of the user's is not what it has to be.
    #[error("failed to parse existing {path}: {problem}")]
    Parse {
        /// Its path in the agent's home.
        path: String,
        /// Where it is on the host.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A model id without a model.
    #[error("invalid model ID {0:?}: expected provider::model or provider::model::baseURL")]
    Model(String),
    /// Two folders of skills would be in one place.
    #[error("skills {first:?} and {second:?} have the same target directory {target:?}")]
    SameSkill {
        /// What is there.
        first: String,
        /// What should be there too.
        second: String,
        /// Where, in the home.
        target: String,
    },
    /// A folder of skills without a name.
    #[error("skills path {0:?} has no name of its own")]
    NoSkillName(String),
}

impl Advice for Error {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Parse { file, .. } => vec![format!("Correct {}, or remove it", file.display())],
            Self::SameSkill { .. } => vec!["Rename one of the two folders".to_owned()],
            Self::NoSkillName(_) => vec!["Name the folder of one skill".to_owned()],
            Self::Model(_) => vec!["Name a model, such as ollama::qwen3".to_owned()],
            Self::Name(_) | Self::Read { .. } => Vec::new(),
        }
    }
}
