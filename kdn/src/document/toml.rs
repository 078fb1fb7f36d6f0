//! TOML, with comments, order and layout kept.

use serde_json::Value;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value as TomlValue};

use super::{Document, Problem, no_map};

pub(super) struct Toml(DocumentMut);

impl Toml {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let document = text.parse::<DocumentMut>();
        document.map(Self).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("{} on line {}", error.message(), before.matches('\n').count() + 1)
        })
    }
}

impl Document for Toml {
    fn get(&self, path: &[&str]) -> Option<Value> {
        let item = path.iter().try_fold(self.0.as_item(), |item, key| item.as_table_like()?.get(key))?;
        output(item)
    }

    fn set(&mut self, path: &[&str], value: Value) -> Result<(), Problem> {
        let Some((key, way)) = path.split_last() else { return Ok(()) };
        let mut table: &mut dyn TableLike = self.0.as_table_mut();
        for (i, step) in way.iter().enumerate() {
            if table.get(step).is_none() {
                let mut new = Table::new();
                new.set_implicit(true);
                table.insert(step, Item::Table(new));
            }
            let inner = table.get_mut(step).and_then(Item::as_table_like_mut);
            table = inner.ok_or_else(|| no_map(&path[..=i]))?;
        }
        let mut new = item(value);
        match table.get_mut(key) {
            // What is said beside the old value stays.
            Some(old) => {
                if let (Some(old), Some(new)) = (old.as_value(), new.as_value_mut()) {
                    *new.decor_mut() = old.decor().clone();
                }
                *old = new;
            }
            None => drop(table.insert(key, new)),
        }
        Ok(())
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// A map becomes a table of its own, all else a value.
fn item(value: Value) -> Item {
    match value {
        Value::Object(map) => {
            Item::Table(map.into_iter().map(|(key, value)| (key, item(value))).collect::<Table>())
        }
        value => plain(value).map_or(Item::None, Item::Value),
    }
}

fn plain(value: Value) -> Option<TomlValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.into(),
        Value::Number(value) => match value.as_i64() {
            Some(value) => value.into(),
            None => value.as_f64()?.into(),
        },
        Value::String(value) => value.into(),
        Value::Array(values) => values.into_iter().filter_map(plain).collect::<Array>().into(),
        Value::Object(map) => {
            let entries = map.into_iter().filter_map(|(key, value)| Some((key, plain(value)?)));
            entries.collect::<InlineTable>().into()
        }
    })
}

fn output(item: &Item) -> Option<Value> {
    if let Some(table) = item.as_table_like() {
        let entries = table.iter().filter_map(|(key, item)| Some((key.to_owned(), output(item)?)));
        return Some(Value::Object(entries.collect()));
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|table| output(&Item::Table(table.clone()))).collect();
    }
    Some(match item.as_value()? {
        TomlValue::String(value) => value.value().as_str().into(),
        TomlValue::Integer(value) => (*value.value()).into(),
        TomlValue::Float(value) => (*value.value()).into(),
        TomlValue::Boolean(value) => (*value.value()).into(),
        TomlValue::Datetime(value) => value.value().to_string().into(),
        TomlValue::Array(values) => {
            values.iter().map(|value| output(&Item::Value(value.clone()))).collect::<Option<_>>()?
        }
        TomlValue::InlineTable(_) => return None,
    })
}
