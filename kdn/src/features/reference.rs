//! The name of a feature in a registry.

use super::{Problem, digest::Digest, error::Result};

const DEFAULT_REGISTRY: &str = "ghcr.io";
const DEFAULT_TAG: &str = "latest";
const LONGEST_TAG: usize = 128;

/// The name of a feature in a registry: `ghcr.io/devcontainers/features/go:1`. Its parts are safe in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    pub(super) fn parse(id: &str) -> Result<Self> {
        let wrong = || Problem::Id(id.to_owned());
        let (name, digest) = match id.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest)?)),
            None => (id, None),
        };
        // A colon before the first slash is that of a port.
        let path = name.find('/').unwrap_or(0);
        let (name, tag) = match name[path..].rfind(':') {
            Some(colon) => (&name[..path + colon], &name[path + colon + 1..]),
            None => (name, DEFAULT_TAG),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DEFAULT_REGISTRY, name),
        };
        if !is_registry(registry) || !repository.split('/').all(is_part) || !is_tag(tag) {
            return Err(wrong());
        }
        let version = digest.map_or_else(|| Version::Tag(tag.to_owned()), Version::Digest);
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), version })
    }

    /// The name without the version.
    pub(super) fn base(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

/// A host name or an IP address, maybe with a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
    };
    (is_address || host.split('.').all(is_label)) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_part(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.ends_with(plain) && text.chars().all(|c| plain(c) || "._-".contains(c))
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= LONGEST_TAG && text.starts_with(word) && text.chars().all(|c| word(c) || ".-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(id: &str) -> Option<(String, String, String)> {
        let Reference { registry, repository, version } = Reference::parse(id).ok()?;
        let version = match version {
            Version::Tag(tag) => tag,
            Version::Digest(digest) => digest.to_string(),
        };
        Some((registry, repository, version))
    }

    #[test]
    fn names_are_split_as_registries_do() {
        let digest = Digest::of(b"").to_string();
        for (id, registry, repository, version) in [
            ("ghcr.io/devcontainers/features/go:1", "ghcr.io", "devcontainers/features/go", "1"),
            ("devcontainers/features/go", "ghcr.io", "devcontainers/features/go", "latest"),
            ("go:1", "ghcr.io", "go", "1"),
            ("localhost/go", "localhost", "go", "latest"),
            ("localhost:5000/a/go:1.2", "localhost:5000", "a/go", "1.2"),
            ("[::1]:5000/go", "[::1]:5000", "go", "latest"),
            (&format!("ghcr.io/a/go:1@{digest}"), "ghcr.io", "a/go", &digest),
        ] {
            let wanted = (registry.to_owned(), repository.to_owned(), version.to_owned());
            assert_eq!(parts(id), Some(wanted), "{id}");
        }
    }

    #[test]
    fn what_is_no_name_gets_into_no_url() {
        for id in [
            "",
            "/go",
            "ghcr.io/",
            "ghcr.io/a//go",
            "ghcr.io/../go",
            "ghcr.io/A/go",
            "ghcr.io/a/go:",
            "ghcr.io/a/go:1/2",
            "ghcr.io/a/go?x",
            "user@ghcr.io/go",
            "ghcr.io:99999/go",
            "gh cr.io/go",
            "ghcr.io/go@sha256:00",
            "ghcr.io/go@md5:00",
            "/etc/passwd",
            "[x].io/go",
        ] {
            assert_eq!(parts(id), None, "{id}");
        }
    }
}
