//! What can go wrong with dev container features.

use std::{io, path::PathBuf};

use crate::output::{Advice, INTERRUPTED};

pub(super) type Result<T, E = Problem> = std::result::Result<T, E>;

/// Features that can't be given to a driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An id is none.
    #[error("failed to parse features: {0}")]
    Parse(#[source] Problem),
    /// There is no place for them.
    #[error("failed to create features directory: {}: {source}", path.display())]
    Folder {
        /// The place.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One can't be had, or is not what it has to be.
    #[error("failed to download feature {id:?}: {source}")]
    Download {
        /// Its id.
        id: String,
        /// Why.
        source: Problem,
    },
    /// There is no order in which to install them.
    #[error("failed to order features: {0}")]
    Order(#[source] Problem),
    /// The options are not those of the feature.
    #[error("failed to merge options for feature {id:?}: {source}")]
    Options {
        /// Its id.
        id: String,
        /// Why.
        source: Problem,
    },
    /// The user wanted no more of it.
    #[error("interrupted")]
    Interrupted,
}

/// What is wrong with a feature.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Problem {
    #[error("direct HTTP(S) feature sources are not supported: {0}")]
    DirectSource(String),
    #[error("{0:?} is not a feature id")]
    Id(String),
    #[error("{0:?} is not a SHA-256 digest")]
    Digest(String),

    #[error("{url}: {reason}")]
    Request { url: String, reason: String },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("manifest is not one of an OCI image: {0}")]
    Manifest(String),
    #[error("digest mismatch: expected {wanted}, got {found}")]
    Mismatch { wanted: String, found: String },
    #[error("size mismatch: expected {wanted} bytes, got {found}")]
    Size { wanted: u64, found: u64 },

    #[error("{0} is larger than {1} bytes")]
    TooLarge(&'static str, u64),
    #[error("feature has more than {0} files and folders")]
    TooMany(u32),
    #[error("invalid path in tar archive: {0}")]
    ArchivePath(String),
    #[error("unsupported link in tar archive: {0}")]
    ArchiveLink(String),
    #[error("unsupported entry in tar archive: {0}")]
    ArchiveEntry(String),
    #[error("unusable tar archive: {0}")]
    Archive(io::Error),

    #[error("symlinks are not supported in local features: {}", .0.display())]
    LocalLink(PathBuf),
    #[error("only files and folders are supported in local features: {}", .0.display())]
    LocalEntry(PathBuf),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },

    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("devcontainer-feature.json: {0}")]
    Metadata(String),

    #[error("unknown option: {0}")]
    UnknownOption(String),
    #[error("option {name}: unsupported type {kind:?}")]
    OptionType { name: String, kind: String },
    #[error("option {name}: {value} is not a {kind}")]
    OptionValue { name: String, value: String, kind: String },
    #[error("option {name}: {value:?} is not one of {}", allowed.join(", "))]
    OptionChoice { name: String, value: String, allowed: Vec<String> },

    #[error("cycle detected in feature {field} dependencies")]
    Cycle { field: &'static str, ids: Vec<String> },
    #[error("features {0:?} and {1:?} share base ID {2:?}; declare only one variant")]
    Shared(String, String, String),
    #[error("feature {0:?} is needed with different options")]
    Differs(String),
    #[error("feature {0:?} from a registry depends on a local one, {1:?}")]
    LocalDependency(String, String),
    #[error("more than {0} features")]
    TooManyFeatures(usize),
}

impl Problem {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.into(), source }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::DirectSource(_) | Self::Id(_) => {
                "A feature is named by its folder, such as ./my-feature, or by its \
                 place in a registry, such as ghcr.io/devcontainers/features/go:1"
                    .to_owned()
            }
            Self::Request { .. } => "Check the name of the registry and the way to it".to_owned(),
            Self::Status { status: 401 | 403 | 404, .. } => {
                "Check the id; features that need a login can't be downloaded".to_owned()
            }
            Self::Mismatch { .. } | Self::Size { .. } => {
                "What the registry sent was not used; try again, or tell its owner".to_owned()
            }
            Self::LocalLink(_) => "Put a copy in the place of the link".to_owned(),
            Self::UnknownOption(_) | Self::OptionValue { .. } | Self::OptionChoice { .. } => {
                "Correct the options in \"features\" of the configuration".to_owned()
            }
            Self::Cycle { ids, .. } => format!("These wait for each other: {}", ids.join(", ")),
            Self::Differs(id) => {
                format!("Put {id:?} into \"features\" of the configuration, with the options to use")
            }
            _ => return None,
        })
    }
}

impl Advice for Error {
    fn hints(&self) -> Vec<String> {
        let problem = match self {
            Self::Parse(problem) | Self::Order(problem) => problem,
            Self::Download { source, .. } | Self::Options { source, .. } => source,
            Self::Folder { .. } | Self::Interrupted => return Vec::new(),
        };
        problem.hint().into_iter().collect()
    }

    fn exit_code(&self) -> u8 {
        if matches!(self, Self::Interrupted) { INTERRUPTED } else { 1 }
    }
}
