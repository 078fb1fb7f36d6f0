//! Where a feature comes from, as its id says.

use std::path::{Path, PathBuf};

use super::{Problem, error::Result, reference::Reference};

/// Where a feature comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A folder, relative to that of the configuration.
    Local(PathBuf),
    Registry(Reference),
}

impl Source {
    pub(super) fn parse(id: &str) -> Result<Self> {
        if id.starts_with("./") || id.starts_with("../") {
            return Ok(Self::Local(Path::new(id).components().collect()));
        }
        if id.starts_with("http://") || id.starts_with("https://") {
            return Err(Problem::DirectSource(id.to_owned()));
        }
        Reference::parse(id).map(Self::Registry)
    }

    /// The id without a version, by which features name each other.
    pub(super) fn base(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
            Self::Registry(reference) => reference.base(),
        }
    }
}

/// The id that another feature means, without its version; `None` for what is no id.
pub(super) fn base_of(id: &str) -> Option<String> {
    Source::parse(id).ok().map(|source| source.base())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_has_no_version() {
        assert_eq!(base_of("./a/").as_deref(), Some("./a"));
        assert_eq!(base_of("go:1"), base_of("ghcr.io/go:2"));
        assert_eq!(base_of("/a"), None);
        let error = Source::parse("https://x/y.tgz").unwrap_err().to_string();
        assert_eq!(error, "direct HTTP(S) feature sources are not supported: https://x/y.tgz");
    }
}
