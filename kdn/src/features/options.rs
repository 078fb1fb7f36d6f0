//! The environment of a feature's `install.sh`: its options, as the user wants them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Problem, error::Result, metadata::Choice};

/// The variables of all options: the defaults, with what the user chose in their place.
pub(super) fn merge(
    known: &BTreeMap<String, Choice>,
    chosen: &Map<String, Value>,
) -> Result<BTreeMap<String, String>> {
    if let Some(name) = chosen.keys().find(|name| !known.contains_key(*name)) {
        return Err(Problem::UnknownOption(name.clone()));
    }
    let mut variables = BTreeMap::new();
    for (name, choice) in known {
        let wanted = chosen.get(name).or(choice.default.as_ref());
        if let Some(text) = check(name, choice, wanted)? {
            variables.insert(variable(name), text);
        }
    }
    Ok(variables)
}

/// The value of an option as text; `None` if nobody gave one.
fn check(name: &str, choice: &Choice, wanted: Option<&Value>) -> Result<Option<String>> {
    let kind = choice.r#type.as_str();
    if !matches!(kind, "boolean" | "string") {
        return Err(Problem::OptionType { name: name.to_owned(), kind: kind.to_owned() });
    }
    let text = match (kind, wanted) {
        (_, None) => return Ok(None),
        ("boolean", Some(Value::Bool(value))) => value.to_string(),
        ("boolean", Some(Value::String(text))) if matches!(text.as_str(), "true" | "false") => text.clone(),
        ("string", Some(Value::String(text))) if !text.contains('\0') => text.clone(),
        (_, Some(value)) => {
            let (name, value, kind) = (name.to_owned(), value.to_string(), kind.to_owned());
            return Err(Problem::OptionValue { name, value, kind });
        }
    };
    match &choice.r#enum {
        Some(allowed) if kind == "string" && !allowed.contains(&text) => {
            Err(Problem::OptionChoice { name: name.to_owned(), value: text, allowed: allowed.clone() })
        }
        _ => Ok(Some(text)),
    }
}

/// The variable of an option, as the specification of dev containers makes its name.
fn variable(name: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let rest = safe.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit());
    if rest.len() < safe.len() { format!("_{rest}") } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::metadata::Metadata;
    use serde_json::json;

    fn merged(options: &Value, chosen: Value) -> Result<BTreeMap<String, String>> {
        let known = Metadata::parse(&json!({"options": options}).to_string()).unwrap().options;
        let Value::Object(chosen) = chosen else { panic!() };
        merge(&known, &chosen)
    }

    #[test]
    fn what_the_user_chose_replaces_defaults() {
        let options = json!({
            "version": {"type": "string", "default": "latest", "proposals": ["1"]},
            "install-tools": {"type": "boolean", "default": true},
            "extra": {"type": "boolean", "default": "false"},
            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "none": {"type": "string"},
        });
        let chosen = json!({"version": "22", "extra": true, "mode": "b"});
        let variables = merged(&options, chosen).unwrap();
        let shown: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["EXTRA=true", "INSTALL_TOOLS=true", "MODE=b", "VERSION=22"]);
    }

    #[test]
    fn variables_are_named_as_specified() {
        for (name, wanted) in
            [("a.b-c", "A_B_C"), ("a--b", "A__B"), ("1st", "_ST"), ("__x", "_X"), ("é1", "_")]
        {
            assert_eq!(variable(name), wanted);
        }
    }

    #[test]
    fn what_is_no_choice_is_refused() {
        let all = json!({
            "on": {"type": "boolean"}, "text": {"type": "string"}, "mode": {"type": "string", "enum": ["a", "b"]},
        });
        for (chosen, message) in [
            (json!({"k": 1}), "unknown option: k"),
            (json!({"on": "yes"}), r#"option on: "yes" is not a boolean"#),
            (json!({"text": 22}), "option text: 22 is not a string"),
            (json!({"mode": "c"}), r#"option mode: "c" is not one of a, b"#),
        ] {
            assert_eq!(merged(&all, chosen).unwrap_err().to_string(), message);
        }
        let error = merged(&json!({"n": {"type": "number"}}), json!({})).unwrap_err();
        assert_eq!(error.to_string(), r#"option n: unsupported type "number""#);
    }
}
