//! Keys of a configuration file that mean nothing, and what may have been meant.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use super::Level;
use super::shape::{CONFIG, Shape};

/// A key that means nothing to kdn. `Display` is the whole text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// The level, which is the entry in the file.
    pub level: Level,
    /// Where the key is, such as `mounts[0].hots`.
    pub key: String,
    /// The key that may have been meant.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, level, key, suggestion } = self;
        write!(f, "unknown key {key:?}{level} in {}", path.display())?;
        match suggestion {
            Some(key) => write!(f, ", did you mean {key:?}?"),
            None => Ok(()),
        }
    }
}

/// Where the unknown keys of a configuration are, each with the key that may have been meant.
pub(super) fn find(config: &Value) -> Vec<(String, Option<&'static str>)> {
    let mut found = Vec::new();
    walk(config, &CONFIG, "", &mut found);
    found
}

fn walk(value: &Value, shape: &Shape, place: &str, found: &mut Vec<(String, Option<&'static str>)>) {
    match (shape, value) {
        (Shape::Object(known), Value::Object(map)) => {
            for (key, value) in map {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                match known.iter().find(|(name, _)| name == key) {
                    Some((_, shape)) => walk(value, shape, &place, found),
                    None => found.push((place, suggest(key, known))),
                }
            }
        }
        (Shape::List(shape), Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                walk(item, shape, &format!("{place}[{i}]"), found);
            }
        }
        _ => {}
    }
}

/// How alike two keys have to be, from 0 to 1, for the one to be suggested for the other.
const ALIKE: f64 = 0.8;

fn suggest(key: &str, known: &[(&'static str, Shape)]) -> Option<&'static str> {
    let key = key.to_lowercase();
    let likeness = |name| match strsim::osa_distance(&key, name) {
        1 => 1.0, // one slip of the finger, whatever the score of a short key would be
        _ => strsim::jaro_winkler(&key, name),
    };
    let scored = known.iter().map(|(name, _)| (likeness(name), *name));
    scored.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::WorkspaceConfig;
    use crate::config::file::SCHEMA_KEY;

    #[test]
    fn typing_errors_are_found_at_any_depth() {
        let found = find(&json!({
            "env": [], "Ports": [1], "whatever": {}, "mcpServers": {},
            "mounts": [{"host": "/a", "target": "/b"}, {"hots": "/a", "targets": "/b", "readonly": true}],
            "mcp": {"server": [], "commands": [{"evn": {"anything": "goes"}}]},
            "features": {"any": {"thing": 1}},
        }));
        let found: Vec<_> = found.iter().map(|(key, suggestion)| (key.as_str(), *suggestion)).collect();
        assert_eq!(
            found,
            [
                ("Ports", Some("ports")),
                ("env", Some("environment")),
                ("mcp.commands[0].evn", Some("env")),
                ("mcp.server", Some("servers")),
                ("mcpServers", Some("mcp")),
                ("mounts[1].hots", Some("host")),
                ("mounts[1].readonly", None),
                ("mounts[1].targets", Some("target")),
                ("whatever", None),
            ]
        );
    }

    #[test]
    fn knows_exactly_the_keys_that_are_read() {
        fn check(value: &Value, shape: &Shape) {
            match (shape, value) {
                (Shape::Object(known), Value::Object(map)) => {
                    let known = known.iter().filter(|(name, _)| *name != SCHEMA_KEY);
                    for (name, shape) in known {
                        check(map.get(*name).unwrap_or(&Value::Null), shape);
                    }
                }
                (Shape::List(shape), Value::Array(items)) => {
                    let Shape::Object(known) = shape else { return };
                    for (name, _) in *known {
                        assert!(items.iter().any(|item| item.get(name).is_some()), "{name} is not read");
                    }
                }
                (_, value) => assert!(!value.is_null(), "a key is not read"),
            }
        }

        let full = serde_json::to_value(WorkspaceConfig::full()).unwrap();
        assert_eq!(find(&full), []);
        check(&full, &CONFIG);
    }
}
