//! JSON Schemas of the configuration files, for editors.

use serde_json::{Map, Value, json};

use super::file::SCHEMA_KEY;

/// `workspace.json`, and each entry of the other files.
const WORKSPACE: &str = include_str!("../../schema/workspace.json");

/// The schema of `workspace.json`.
pub fn workspace() -> Value {
    serde_json::from_str(WORKSPACE).expect("the schema is JSON")
}

/// The schema of a file with one configuration for each of these.
pub fn entries(of: &str) -> Value {
    let mut entry = workspace();
    let own = entry.as_object_mut().and_then(|entry| entry.remove(SCHEMA_KEY));
    let mut schema = Map::new();
    schema.extend(own.map(|dialect| (SCHEMA_KEY.to_owned(), dialect)));
    schema.insert("title".to_owned(), json!(format!("Configurations of kdn workspaces by {of}")));
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), json!({ SCHEMA_KEY: {"type": "string"} }));
    schema.insert("additionalProperties".to_owned(), entry);
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WorkspaceConfig;

    fn is_valid(schema: &Value, config: &Value) -> bool {
        jsonschema::validator_for(schema).unwrap().is_valid(config)
    }

    /// Each key that the schema names, in the form of a configuration that has it: `mounts`, `mounts.host`.
    fn keys(schema: &Value, place: &str, found: &mut Vec<String>) {
        let schema = schema.get("items").unwrap_or(schema);
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{key}");
            keys(schema, &place, found);
            found.push(place);
        }
    }

    fn has(config: &Value, place: &[&str]) -> bool {
        match (config, place) {
            (_, []) => true,
            (Value::Array(items), _) => items.iter().any(|item| has(item, place)),
            (_, [key, rest @ ..]) => config.get(key).is_some_and(|value| has(value, rest)),
        }
    }

    #[test]
    fn has_the_keys_of_a_configuration_and_no_others() {
        let full = serde_json::to_value(WorkspaceConfig::full()).unwrap();
        assert!(is_valid(&workspace(), &full));
        let mut found = Vec::new();
        keys(&workspace(), "", &mut found);
        found.retain(|place| place != ".$schema" && !has(&full, &place[1..].split('.').collect::<Vec<_>>()));
        assert_eq!(found, Vec::<String>::new());
        for unknown in
            [json!({"port": [1]}), json!({"mounts": [{"host": "/a", "target": "/a", "readonly": true}]})]
        {
            assert!(!is_valid(&workspace(), &unknown), "{unknown}");
        }
    }

    #[test]
    fn agrees_with_the_validation() {
        let samples = [
            json!({}),
            json!({"environment": [{"name": "_a1", "value": ""}]}),
            json!({"environment": [{"name": "A"}]}),
            json!({"environment": [{"name": "1A", "value": "x"}]}),
            json!({"environment": [{"name": "A", "secret": ""}]}),
            json!({"environment": [{"name": "A", "value": "", "secret": "s"}]}),
            json!({"features": {"f": {"any": [1]}}}),
            json!({"features": {"f": 1}}),
            json!({"limits": {"cpus": 0.5, "memory": 1, "pids": 1}}),
            json!({"limits": {"cpus": 0}}),
            json!({"limits": {"memory": "1.5 gb"}}),
            json!({"limits": {"memory": "2 GiBs"}}),
            json!({"limits": {"memory": 0}}),
            json!({"limits": {"pids": 0}}),
            json!({"mcp": {"commands": [{"name": "a"}]}}),
            json!({"mcp": {"servers": [{"url": "u"}]}}),
            json!({"mounts": [{"host": "$SOURCES/../x", "target": "$HOME/x"}]}),
            json!({"mounts": [{"host": "x", "target": "/x"}]}),
            json!({"mounts": [{"host": "/x", "target": "x"}]}),
            json!({"network": {"mode": "allow", "hosts": ["a"]}}),
            json!({"network": {"mode": "none"}}),
            json!({"network": {"hosts": [""]}}),
            json!({"ports": [1, 65535]}),
            json!({"ports": [0]}),
            json!({"ports": [65536]}),
            json!({"ports": [1, 1]}),
            json!({"secrets": ["s", "s"]}),
            json!({"secrets": [""]}),
            json!({"skills": ["$HOME/s"]}),
            json!({"skills": ["$SOURCES/s"]}),
        ];
        for sample in samples {
            let parsed = serde_json::from_value::<WorkspaceConfig>(sample.clone());
            let valid = parsed.is_ok_and(|config| config.validate().is_ok());
            assert_eq!(is_valid(&workspace(), &sample), valid, "{sample}");
            let entries = entries("project");
            assert_eq!(is_valid(&entries, &json!({"$schema": "x", "": sample})), valid, "{sample}");
        }
    }
}
