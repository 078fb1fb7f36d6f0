//! Reads and writes the forms of every message in `fixtures/`, which are append-only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use kdn_protocol::{
    CancelParams, Error, ErrorKind, Log, Step,
    method::{self, Method},
    schema,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The forms of one message, by name.
type Forms = BTreeMap<String, Value>;

fn fixtures() -> BTreeMap<String, Forms> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("fixtures").path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let forms = serde_json::from_str(&fs::read_to_string(&path).expect("a fixture"));
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            (name.to_owned(), forms.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect()
}

fn schemas() -> BTreeMap<String, Value> {
    schema::files()
        .into_iter()
        .filter(|(name, _)| name != "openrpc.json")
        .map(|(name, text)| (name, serde_json::from_str(&text).expect("a schema")))
        .collect()
}

/// What comes out when the type of a message has read `form`.
fn written(message: &str, form: &Value) -> Value {
    macro_rules! by_name {
        ($($name:ident)*) => {
            match message.strip_suffix(".json").and_then(|name| name.split_once('.')) {
                $(
                    Some((method::$name::NAME, "params")) => {
                        read_and_write::<<method::$name as Method>::Params>(form)
                    }
                    Some((method::$name::NAME, "result")) => {
                        read_and_write::<<method::$name as Method>::Result>(form)
                    }
                )*
                Some(("step", _)) => read_and_write::<Step>(form),
                Some(("log", _)) => read_and_write::<Log>(form),
                Some(("cancelRequest", _)) => read_and_write::<CancelParams>(form),
                None => read_and_write::<Error>(form),
                _ => panic!("no message {message}"),
            }
        };
    }
    by_name!(Type Flags Initialize GetStatus ListAgents Create Start Stop Remove Info List Terminal Dashboard Shutdown)
}

fn read_and_write<T: Serialize + DeserializeOwned>(form: &Value) -> Value {
    let message: T = serde_json::from_value(form.clone()).unwrap_or_else(|e| panic!("{e} in {form}"));
    serde_json::to_value(message).expect("a message is JSON")
}

#[test]
fn every_message_has_fixtures() {
    let names = |map: Vec<String>| map.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(names(fixtures().into_keys().collect()), names(schemas().into_keys().collect()));
}

#[test]
fn forms_are_written_as_they_are_read() {
    for (message, forms) in fixtures() {
        for (name, form) in &forms {
            let expected = name.strip_prefix("minimal").map_or(form, |of| {
                forms.get(&format!("defaults{of}")).expect("the defaults of a minimal form")
            });
            assert_eq!(written(&message, form), *expected, "{message}: {name}");
        }
    }
}

#[test]
fn forms_fit_their_schemas_and_show_every_field() {
    let schemas = schemas();
    for (message, forms) in fixtures() {
        let schema = &schemas[&message];
        let validator = jsonschema::validator_for(schema).expect("a schema");
        for (name, form) in &forms {
            validator.validate(form).unwrap_or_else(|error| panic!("{message}: {name}: {error}"));
        }
        for field in schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(forms.values().any(|form| form.get(field).is_some()), "{message}: no form has {field}");
        }
    }
}

#[test]
fn every_kind_of_error_has_a_form() {
    let forms = &fixtures()["error.json"];
    for kind in ErrorKind::ALL {
        let form = forms.get(kind.as_str()).unwrap_or_else(|| panic!("no form of {}", kind.as_str()));
        assert_eq!(form["code"], kind.code(), "{}", kind.as_str());
        assert_eq!(form["data"]["kind"], kind.as_str());
    }
}
