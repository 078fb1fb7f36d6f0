//! The JSON Schemas of the messages, compiled when they are first used.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use jsonschema::Validator;
use kdn_protocol::text::SCHEMAS;
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Schemas(Arc<HashMap<&'static str, OnceLock<Validator>>>);

impl Schemas {
    pub(crate) fn new() -> Self {
        Self(Arc::new(SCHEMAS.iter().map(|(name, _)| (*name, OnceLock::new())).collect()))
    }

    /// Why a value does not fit the schema of this name, such as `create.result`. A name without a schema fits all.
    pub(crate) fn misfit(&self, name: &str, value: &Value) -> Option<String> {
        let (name, slot) = self.0.get_key_value(name)?;
        let error = slot.get_or_init(|| compile(name)).iter_errors(value).next()?;
        let at = error.instance_path().to_string();
        Some(format!("{}{error}", if at.is_empty() { String::new() } else { format!("at {at}: ") }))
    }
}

fn compile(name: &str) -> Validator {
    let text = SCHEMAS.iter().find(|(other, _)| *other == name).map_or("true", |(_, text)| *text);
    let schema = serde_json::from_str(text).expect("the schemas of the protocol are JSON");
    jsonschema::validator_for(&schema).expect("the schemas of the protocol are schemas")
}
