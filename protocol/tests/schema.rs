//! Holds `schema/` to the types, to the rules of JSON Schema and OpenRPC, and to `SPEC.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use kdn_protocol::{ErrorKind, schema};
use serde_json::Value;

const SPEC: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/SPEC.md"));

fn document(name: &str) -> Value {
    let (_, text) = schema::files().into_iter().find(|(file, _)| file == name).expect(name);
    serde_json::from_str(&text).expect(name)
}

#[test]
fn the_files_are_current_and_nothing_else_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let there: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    let wanted: BTreeMap<String, String> = schema::files().into_iter().collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&there), names(&wanted), "schema/ is out of date: run `just schema`");
    for (name, text) in wanted {
        assert!(there[&name] == text, "schema/{name} is out of date: run `just schema`");
    }
}

#[test]
fn every_schema_is_a_schema() {
    for (name, text) in schema::files() {
        let document: Value = serde_json::from_str(&text).unwrap();
        if name != "openrpc.json" {
            jsonschema::draft202012::meta::validate(&document).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(document["description"].is_string() && document["title"].is_string(), "{name}");
        }
        described(&document, &name);
    }
}

/// A property without a description tells an author nothing.
fn described(schema: &Value, place: &str) {
    for (key, value) in schema.as_object().into_iter().flatten() {
        if key == "properties" {
            for (name, property) in value.as_object().expect("properties are an object") {
                // In an `if`, a property is a condition.
                let known = property["description"].is_string() || property.get("const").is_some();
                assert!(known, "{place}: {name} has no description");
            }
        }
        described(value, place);
    }
}

#[test]
fn the_openrpc_document_is_whole() {
    let document = document("openrpc.json");
    for schema in document["components"]["schemas"].as_object().unwrap().values() {
        jsonschema::draft202012::meta::validate(schema).unwrap();
    }
    for error in document["components"]["errors"].as_object().unwrap().values() {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{error}");
    }
    for method in document["methods"].as_array().unwrap() {
        assert!(method["summary"].is_string() && method["params"].is_array(), "{method}");
    }
    let mut references = 0;
    each_reference(&document, &mut |reference| {
        references += 1;
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    });
    assert!(references > 100);
}

fn each_reference(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(reference) if name == "$ref" => see(reference),
                    _ => each_reference(member, see),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_reference(item, see)),
        _ => {}
    }
}

#[test]
fn methods_fail_as_the_specification_says() {
    for method in document("openrpc.json")["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        let Some(errors) = method["errors"].as_array() else { continue };
        let errors: BTreeSet<&str> =
            errors.iter().map(|e| e["$ref"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
        assert_eq!(errors, specified_errors(name), "{name}");
    }
}

/// Reads what follows `Errors:` in the section of a method.
fn specified_errors(method: &str) -> BTreeSet<&'static str> {
    let (_, section) = SPEC.split_once(&format!(" `{method}`\n\n")).expect(method);
    let (_, errors) = section.split_once("Errors: ").expect(method);
    let (errors, _) = errors.split_once(".\n").expect(method);
    let any = ["internal", "backend_failed", "unavailable", "frame_too_large", "cancelled", "-32602"];
    let named: Vec<&str> = errors.split([' ', ',', '\n', '`']).collect();
    let words = if errors.starts_with("any error") { [&any[..], &named].concat() } else { named };
    ErrorKind::ALL
        .iter()
        .filter(|kind| words.contains(&kind.as_str()) || words.contains(&kind.code().to_string().as_str()))
        .map(|kind| kind.as_str())
        .collect()
}
