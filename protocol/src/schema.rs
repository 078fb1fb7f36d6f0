//! JSON Schemas of all messages, and an OpenRPC document: what `schema/` holds.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    CancelParams, DashboardParams, DashboardResult, Empty, Error, FlagsResult, InfoParams, InitializeParams,
    InitializeResult, Instance, ListAgentsResult, ListParams, ListResult, Log, Manifest, PROTOCOL_VERSION,
    Plan, RemoveParams, StartParams, Status, Step, StopParams, TerminalParams, Workspace,
    method::{self, for_each_method},
};

/// The files of `schema/`: name and content.
pub fn files() -> Vec<(String, Value)> {
    let mut files = Vec::new();
    macro_rules! method {
        ($name:literal, $params:ty, $result:ty) => {
            files.push((concat!($name, ".params.json").to_owned(), document::<$params>()));
            files.push((concat!($name, ".result.json").to_owned(), document::<$result>()));
        };
    }
    for_each_method!(method);
    files.push(("step.params.json".into(), document::<Step>()));
    files.push(("log.params.json".into(), document::<Log>()));
    files.push(("cancelRequest.params.json".into(), document::<CancelParams>()));
    files.push(("error.json".into(), document::<Error>()));
    files.push(("openrpc.json".into(), openrpc()));
    files
}

/// The schema of one message, complete in itself.
fn document<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// All methods and notifications in one OpenRPC document.
fn openrpc() -> Value {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut methods = Vec::new();
    macro_rules! method {
        ($name:literal, $params:ty, $result:ty) => {
            methods.push(json!({
                "name": $name,
                "paramStructure": "by-name",
                "params": params(&mut generator, &<$params>::json_schema),
                "result": {"name": "result", "schema": generator.subschema_for::<$result>()},
                "errors": [{"$ref": "#/components/errors/Error"}],
            }));
        };
    }
    for_each_method!(method);
    for (name, schema) in [
        (method::STEP, &Step::json_schema as &dyn Fn(&mut SchemaGenerator) -> schemars::Schema),
        (method::LOG, &Log::json_schema),
        (method::CANCEL_REQUEST, &CancelParams::json_schema),
    ] {
        methods.push(json!({
            "name": name,
            "paramStructure": "by-name",
            "params": params(&mut generator, schema),
        }));
    }
    let error = generator.subschema_for::<Error>();
    let schemas = generator.take_definitions(true);
    json!({
        "openrpc": "1.3.2",
        "info": {"title": "kdn runtime protocol", "version": format!("{PROTOCOL_VERSION}.0.0")},
        "methods": methods,
        "components": {
            "schemas": schemas,
            "errors": {"Error": {"code": -32603, "message": "see the schema of an error", "data": error}},
        },
    })
}

/// The members of a params object, one content descriptor each.
fn params(
    generator: &mut SchemaGenerator,
    schema: &dyn Fn(&mut SchemaGenerator) -> schemars::Schema,
) -> Vec<Value> {
    let schema = schema(generator).to_value();
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let required = schema["required"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    properties
        .iter()
        .map(|(name, schema)| json!({"name": name, "required": required.contains(&json!(name)), "schema": schema}))
        .collect()
}
