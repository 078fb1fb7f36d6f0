//! Which requests get which secret.

use std::{collections::BTreeMap, net::IpAddr};

use kdn_protocol::{Error, Secret, SecretSpec};
use serde::{Deserialize, Serialize};

/// A header for the requests to some hosts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rule {
    hosts: Vec<String>,
    path: Option<String>,
    pub(super) header: String,
    /// The whole value of the header.
    pub(super) value: Secret<String>,
}

/// Whether each header has a name that a header can have.
pub(super) fn check(secrets: &[SecretSpec]) -> Result<(), Error> {
    let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    for (i, secret) in secrets.iter().enumerate() {
        if secret.header.is_empty() || !secret.header.bytes().all(is_token) {
            let message = format!("{:?} is not the name of a header", secret.header);
            return Err(Error::invalid_workspace(format!("secrets[{i}].header"), message));
        }
    }
    Ok(())
}

pub(super) fn with_values(
    secrets: &[SecretSpec],
    values: &BTreeMap<String, Secret<String>>,
) -> Result<Vec<Rule>, Error> {
    let rule = |secret: &SecretSpec| {
        let value = values.get(&secret.name).map_or("", |value| value.expose());
        let value = secret.header_template.replace("${value}", value);
        if value.contains(|c: char| c.is_control() && c != '\t') {
            let message = format!(
                "the value of secret {:?} can't stand in a header: it is of several lines",
                secret.name
            );
            return Err(Error::invalid_workspace(format!("secretValues.{}", secret.name), message)
                .hint(format!(
                    "make it anew without line ends: `kdn secret remove {0:?}`, then `kdn secret create {0:?} --type ...`",
                    secret.name
                )));
        }
        Ok(Rule {
            hosts: secret.hosts.clone(),
            path: secret.path.clone(),
            header: secret.header.clone(),
            value: Secret::new(value),
        })
    };
    secrets.iter().map(rule).collect()
}

impl Rule {
    /// Whether a request for `path` at `host` gets the header.
    pub(super) fn covers(&self, host: &str, path: &str) -> bool {
        let below = |prefix: &String| path.starts_with(prefix.as_str()) && !climbs(path);
        self.hosts.iter().any(|pattern| is_host(pattern, host)) && self.path.as_ref().is_none_or(below)
    }
}

/// Whether a pattern, such as `*.example.com`, means this host.
fn is_host(pattern: &str, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let (Ok(pattern), Ok(host)) = (pattern.parse::<IpAddr>(), host.parse::<IpAddr>()) {
        return pattern == host;
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(domain) => {
            host.strip_suffix(domain).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        }
        None => host == pattern,
    }
}

/// Whether a server may take the path for another one than its letters say.
fn climbs(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    path.split('/').any(|part| part == "." || part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_to_the_hosts_and_below_the_path_are_covered() {
        let rule = Rule {
            hosts: vec!["api.example".into(), "*.sub.example".into(), "::1".into()],
            path: Some("/repos/".into()),
            header: "Authorization".into(),
            value: Secret::default(),
        };
        for (host, path) in [
            ("api.example", "/repos/x"),
            ("API.Example.", "/repos/"),
            ("a.b.sub.example", "/repos/x?y=../"),
            ("[::1]", "/repos/x"),
        ] {
            assert!(rule.covers(host, path), "{host}{path}");
        }
        for (host, path) in [
            ("api.example", "/repos"),
            ("api.example", "/repos/../user"),
            ("api.example", "/repos/%2E%2e%2Fuser"),
            ("sub.example", "/repos/"),
            (".sub.example", "/repos/"),
            ("xsub.example", "/repos/"),
            ("api.example.evil", "/repos/"),
            ("127.0.0.1", "/repos/"),
        ] {
            assert!(!rule.covers(host, path), "{host}{path}");
        }
    }
}
