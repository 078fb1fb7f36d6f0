//! JSON Schemas of all messages, and an OpenRPC document: what `schema/` holds.

use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Map, Value, json};

use crate::{
    CancelParams, DashboardParams, DashboardResult, Empty, Error, ErrorKind, FlagsResult, InfoParams,
    InitializeParams, InitializeResult, Instance, ListAgentsResult, ListParams, ListResult, Log, Manifest,
    PROTOCOL_VERSION, Plan, RemoveParams, StartParams, Status, Step, StopParams, TerminalParams, Workspace,
    method::{self, for_each_method},
};

/// The files of `schema/`: name and content.
pub fn files() -> Vec<(String, String)> {
    documents().into_iter().map(|(name, document)| (name, format!("{document:#}\n"))).collect()
}

fn documents() -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    macro_rules! method {
        ($name:literal, $params:ty, $result:ty, $description:expr) => {
            documents.push((concat!($name, ".params.json").to_owned(), document::<$params>()));
            documents.push((concat!($name, ".result.json").to_owned(), document::<$result>()));
        };
    }
    for_each_method!(method);
    documents.push(("step.params.json".into(), document::<Step>()));
    documents.push(("log.params.json".into(), document::<Log>()));
    documents.push(("cancelRequest.params.json".into(), document::<CancelParams>()));
    documents.push(("error.json".into(), document::<Error>()));
    documents.push(("openrpc.json".into(), openrpc()));
    documents
}

/// The schema of one message, complete in itself.
fn document<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(plain));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Takes out what only Rust knows, and writes enumerations as those generators of other languages read them.
pub fn plain(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("format");
    if let Some(description) = object.get_mut("description") {
        *description = description.as_str().unwrap_or_default().replace('\n', " ").into();
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().filter_map(Value::as_object_mut).for_each(not_null);
    }
    let words = object.get("oneOf").and_then(Value::as_array).and_then(|words| {
        words.iter().map(|word| Some((word["const"].as_str()?, word["description"].as_str()?))).collect()
    });
    let Some(words): Option<Vec<(&str, &str)>> = words else { return };
    let meanings: Vec<String> =
        words.iter().map(|(word, meaning)| format!("- `{word}`: {}", meaning.replace('\n', " "))).collect();
    let words: Vec<Value> = words.iter().map(|&(word, _)| word.into()).collect();
    let description = object.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{description}\n\n{}", meanings.join("\n"));
    object.remove("oneOf");
    object.insert("description".into(), description.into());
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), words.into());
}

/// A field without a value is left out: an optional one does not take `null`.
fn not_null(property: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    let reference = property.get("anyOf").and_then(Value::as_array).and_then(|any| match any.as_slice() {
        [reference, null] if null["type"] == "null" => Some(reference["$ref"].clone()),
        _ => None,
    });
    if let Some(reference) = reference {
        property.remove("anyOf");
        property.insert("$ref".into(), reference);
    }
}

/// All methods and notifications in one OpenRPC document.
fn openrpc() -> Value {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(plain))
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut methods = Vec::new();
    macro_rules! method {
        ($name:literal, $params:ty, $result:ty, $description:expr) => {
            methods.push(json!({
                "name": $name,
                "summary": $description.trim(),
                "paramStructure": "by-name",
                "params": params::<$params>(&mut generator),
                "result": {"name": "result", "required": true, "schema": generator.subschema_for::<$result>()},
                "errors": errors($name).into_iter().map(reference).collect::<Vec<_>>(),
            }));
        };
    }
    for_each_method!(method);
    let mut notification = |name: &str, summary: &str, params: Vec<Value>| {
        methods
            .push(json!({"name": name, "summary": summary, "paramStructure": "by-name", "params": params}));
    };
    let summary = "Notification from driver to host: the progress of a running request.";
    notification(method::STEP, summary, params::<Step>(&mut generator));
    let summary = "Notification from driver to host: what a command of the backend printed.";
    notification(method::LOG, summary, params::<Log>(&mut generator));
    let summary = "Notification from host to driver: a running request is no longer wanted.";
    notification(method::CANCEL_REQUEST, summary, params::<CancelParams>(&mut generator));
    generator.subschema_for::<Error>();
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "kdn runtime protocol",
            "description": "JSON-RPC 2.0 between kdn and its runtime drivers, one object a line, over a driver's stdin and stdout.",
            "version": format!("{PROTOCOL_VERSION}.0.0"),
            "license": {"name": "Apache-2.0"},
        },
        "methods": methods,
        "components": {"errors": all_errors(), "schemas": generator.take_definitions(true)},
    })
}

/// The members of a params object, one content descriptor each.
fn params<T: JsonSchema>(generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut schema = T::json_schema(generator);
    RecursiveTransform(plain).transform(&mut schema);
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    properties
        .into_iter()
        .map(|(name, schema)| {
            json!({"name": name, "required": required.contains(&json!(name)), "schema": schema})
        })
        .collect()
}

/// What a method may fail with.
fn errors(method: &str) -> Vec<ErrorKind> {
    use ErrorKind::{
        AlreadyExists, BackendFailed, Busy, Cancelled, FrameTooLarge, InstanceNotFound, Internal,
        InvalidParams, InvalidState, InvalidWorkspace, NotInitialized, Unavailable, Unsupported,
        VersionMismatch,
    };
    let own: &[ErrorKind] = match method {
        "type" | "flags" => return vec![InvalidParams, Internal],
        "shutdown" => return vec![InvalidParams, NotInitialized],
        "initialize" => &[VersionMismatch, NotInitialized],
        "create" => &[InvalidWorkspace, AlreadyExists, Unsupported, Busy, NotInitialized],
        "start" => &[InstanceNotFound, InvalidWorkspace, InvalidState, Unsupported, Busy, NotInitialized],
        "stop" => &[InstanceNotFound, InvalidState, Busy, NotInitialized],
        "remove" => &[InvalidState, Busy, NotInitialized],
        "info" => &[InstanceNotFound, NotInitialized],
        "terminal" => &[InstanceNotFound, InvalidState, NotInitialized],
        "dashboard" => &[InstanceNotFound, InvalidState, Unsupported, NotInitialized],
        _ => &[NotInitialized],
    };
    let any = [InvalidParams, Internal, BackendFailed, Unavailable, FrameTooLarge, Cancelled];
    any.iter().chain(own).copied().collect()
}

fn reference(kind: ErrorKind) -> Value {
    json!({"$ref": format!("#/components/errors/{}", kind.as_str())})
}

fn all_errors() -> Map<String, Value> {
    let meanings = ErrorKind::json_schema(&mut SchemaSettings::draft2020_12().into_generator()).to_value();
    let error = |kind: &ErrorKind| {
        let words = meanings["oneOf"].as_array().into_iter().flatten();
        let meaning =
            words.filter(|word| word["const"] == kind.as_str()).map(|word| &word["description"]).next();
        json!({"code": kind.code(), "message": meaning, "data": {"kind": kind.as_str(), "hints": []}})
    };
    ErrorKind::ALL.iter().map(|kind| (kind.as_str().to_owned(), error(kind))).collect()
}
