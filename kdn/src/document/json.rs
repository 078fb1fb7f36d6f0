//! JSON and its relatives, with comments, order and layout kept.

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstNode, CstObject, CstRootNode},
};
use serde_json::Value;

use super::{Document, Format, Problem, look, no_map};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) struct Json(CstRootNode);

impl Json {
    pub(super) fn parse(format: Format, text: &str) -> Result<Self, Problem> {
        let options = match format {
            Format::Jsonc => ParseOptions { allow_comments: true, allow_trailing_commas: true, ..STRICT },
            Format::Json5 => ParseOptions { allow_missing_commas: false, ..ParseOptions::default() },
            _ => STRICT,
        };
        let root = CstRootNode::parse(text, &options).map_err(|error| error.to_string())?;
        if root.value().is_none() {
            root.set_value(CstInputValue::Object(Vec::new()));
        }
        if root.object_value().is_none() {
            return Err(no_map(&[]));
        }
        Ok(Self(root))
    }
}

impl Document for Json {
    fn get(&self, path: &[&str]) -> Option<Value> {
        look(&self.0.to_serde_value()?, path).cloned()
    }

    fn set(&mut self, path: &[&str], value: Value) -> Result<(), Problem> {
        let Some((key, way)) = path.split_last() else { return Ok(()) };
        let mut object = self.0.object_value().ok_or_else(|| no_map(&[]))?;
        for (i, step) in way.iter().enumerate() {
            object = enter(&object, step).ok_or_else(|| no_map(&path[..=i]))?;
        }
        let value = input(value);
        match object.get(key) {
            Some(property) => property.set_value(value),
            None => drop(object.append(key, value)),
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = self.0.to_string();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

fn enter(object: &CstObject, key: &str) -> Option<CstObject> {
    let is_null = |node: &CstNode| node.as_null_keyword().is_some();
    if object.get(key).and_then(|property| property.value()).is_some_and(|node| is_null(&node)) {
        return Some(object.object_value_or_set(key));
    }
    object.object_value_or_create(key)
}

fn input(value: Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(value),
        Value::Number(value) => CstInputValue::Number(value.to_string()),
        Value::String(value) => CstInputValue::String(value),
        Value::Array(values) => CstInputValue::Array(values.into_iter().map(input).collect()),
        Value::Object(map) => {
            CstInputValue::Object(map.into_iter().map(|(key, value)| (key, input(value))).collect())
        }
    }
}
