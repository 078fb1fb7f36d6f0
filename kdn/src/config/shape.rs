//! Of what kind each value of a file of JSON has to be.

use serde_json::Value;

use super::file::SCHEMA_KEY;

/// What a value has to be.
pub(crate) enum Shape {
    /// None of our business.
    Any,
    /// Text.
    Text,
    /// `true` or `false`.
    Flag,
    /// Any number.
    Number,
    /// A whole number.
    Whole,
    /// A whole number from 0.
    Count,
    /// An object with these keys.
    Object(&'static [(&'static str, Shape)]),
    /// An object with any keys, and the same for the value of each.
    Map(&'static Shape),
    /// An object of configurations.
    Entries,
    /// The same for each item.
    List(&'static Shape),
}

use Shape::{Any, Count, Entries, Flag, List, Map, Number, Object, Text, Whole};

/// A [`super::WorkspaceConfig`].
pub(super) const CONFIG: Shape = Object(&[
    (SCHEMA_KEY, Any),
    ("environment", List(&Object(&[("name", Text), ("secret", Text), ("value", Text)]))),
    ("features", Map(&Map(&Any))),
    ("limits", Object(&[("cpus", Number), ("memory", Any), ("pids", Count)])),
    (
        "mcp",
        Object(&[
            (
                "commands",
                List(&Object(&[
                    ("args", List(&Text)),
                    ("command", Text),
                    ("env", Map(&Text)),
                    ("name", Text),
                ])),
            ),
            ("servers", List(&Object(&[("headers", Map(&Text)), ("name", Text), ("url", Text)]))),
        ]),
    ),
    ("mounts", List(&Object(&[("host", Text), ("ro", Flag), ("target", Text)]))),
    ("network", Object(&[("hosts", List(&Text)), ("mode", Text)])),
    ("ports", List(&Whole)),
    ("secrets", List(&Text)),
    ("skills", List(&Text)),
]);

/// The whole of `projects.json` or `agents.json`.
pub(super) const ENTRIES: Shape = Entries;

impl Shape {
    /// What the first value that has another shape must be, and where it is. A key may be `null`, as if it were absent.
    ///
    /// Serde would not do: it takes a list for an object, value by value, and speaks of the types of this program.
    pub(crate) fn misfit(&self, value: &Value) -> Option<String> {
        self.misfit_at(value, "")
    }

    fn misfit_at(&self, value: &Value, place: &str) -> Option<String> {
        let is_fit = match (self, value) {
            (Any, _) | (Text, Value::String(_)) | (Flag, Value::Bool(_)) | (Number, Value::Number(_)) => true,
            (Whole, number) => number.is_i64(),
            (Count, number) => number.is_u64(),
            (Object(known), Value::Object(map)) => {
                let present = known.iter().filter_map(|(key, shape)| Some((key, shape, map.get(*key)?)));
                let mut present = present.filter(|(_, _, value)| !value.is_null());
                let dot = if place.is_empty() { "" } else { "." };
                return present
                    .find_map(|(key, shape, value)| shape.misfit_at(value, &format!("{place}{dot}{key}")));
            }
            (Map(shape), Value::Object(map)) => {
                let mut all = map.iter();
                return all.find_map(|(key, value)| shape.misfit_at(value, &format!("{place}[{key:?}]")));
            }
            (Entries, Value::Object(map)) => {
                let mut all = map.iter().filter(|(key, value)| *key != SCHEMA_KEY && !value.is_null());
                return all.find_map(|(key, value)| CONFIG.misfit_at(value, &format!("{place}[{key:?}]")));
            }
            (List(shape), Value::Array(items)) => {
                let mut all = items.iter().enumerate();
                return all.find_map(|(i, value)| shape.misfit_at(value, &format!("{place}[{i}]")));
            }
            _ => false,
        };
        let place = if place.is_empty() { "it" } else { place };
        (!is_fit).then(|| format!("{place} must be {}, not {}", self.name(), kind(value)))
    }

    const fn name(&self) -> &'static str {
        match self {
            Any => "anything",
            Text => "text",
            Flag => "true or false",
            Number => "a number",
            Whole => "a whole number",
            Count => "a whole number from 0",
            Object(_) | Map(_) | Entries => "an object",
            List(_) => "a list",
        }
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::WorkspaceConfig;

    #[test]
    fn a_misfit_is_told_in_words_of_json() {
        let texts = [
            json!([]),
            json!(null),
            json!({"network": [["a"], "deny"]}),
            json!({"environment": [["A", null, "x"]]}),
            json!({"environment": [null]}),
            json!({"environment": {"A": "x"}}),
            json!({"mounts": [{"host": "/a", "target": "/t"}, {"host": 1}]}),
            json!({"mounts": [{"ro": "yes"}]}),
            json!({"features": {"ghcr.io/f/node:1": "22"}}),
            json!({"limits": {"cpus": "1", "pids": -1}}),
            json!({"limits": {"pids": -1}}),
            json!({"mcp": {"commands": [{"env": {"K": 1}}]}}),
            json!({"ports": [80, 80.5]}),
            json!({"ports": [18_446_744_073_709_551_615_u64]}),
        ]
        .map(|value| CONFIG.misfit(&value).unwrap_or_default());
        insta::assert_snapshot!(texts.join("\n"), @r#"
        it must be an object, not a list
        it must be an object, not null
        network must be an object, not a list
        environment[0] must be an object, not a list
        environment[0] must be an object, not null
        environment must be a list, not an object
        mounts[1].host must be text, not 1
        mounts[0].ro must be true or false, not text
        features["ghcr.io/f/node:1"] must be an object, not text
        limits.cpus must be a number, not text
        limits.pids must be a whole number from 0, not -1
        mcp.commands[0].env["K"] must be text, not 1
        ports[1] must be a whole number, not 80.5
        ports[0] must be a whole number, not 18446744073709551615
        "#);
    }

    #[test]
    fn what_is_right_fits() {
        assert_eq!(CONFIG.misfit(&serde_json::to_value(WorkspaceConfig::full()).unwrap()), None);
        let nulls =
            json!({"network": null, "mounts": [{"ro": null}], "unknown": [[]], "limits": {"cpus": 2}});
        assert_eq!(CONFIG.misfit(&nulls), None);
    }
}
