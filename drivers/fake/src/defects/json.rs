//! Small changes to JSON values, which the tables are made of.

use serde_json::{Map, Value};

pub(super) use serde_json::json;

use kdn_protocol::{Error, ErrorKind};

/// The text of a member, or an empty one.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Takes a member away.
pub(super) fn forget(value: &mut Value, member: &str) -> Option<Value> {
    value.as_object_mut()?.remove(member)
}

/// Sets a member, of an object.
pub(super) fn set(value: &mut Value, member: &str, to: impl Into<Value>) {
    if let Some(object) = value.as_object_mut() {
        object.insert(member.into(), to.into());
    }
}

/// Changes a text, if it is there.
pub(super) fn edit(value: &mut Value, member: &str, change: impl FnOnce(&str) -> String) {
    if let Some(Value::String(text)) = value.get_mut(member) {
        *text = change(text);
    }
}

/// The entries of a list, or none.
pub(super) fn entries<'a>(value: &'a mut Value, member: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten()
}

/// The list itself, or an empty one where there was none.
pub(super) fn list<'a>(value: &'a mut Value, member: &str) -> Option<&'a mut Vec<Value>> {
    let entry = value.as_object_mut()?.entry(member).or_insert_with(|| Value::Array(Vec::new()));
    entry.as_array_mut()
}

/// Adds entries to a list, which is made where there was none.
pub(super) fn add(value: &mut Value, member: &str, entries: impl IntoIterator<Item = Value>) {
    if let Some(list) = list(value, member) {
        list.extend(entries);
    }
}

/// The object itself, or an empty one where there was none.
pub(super) fn object<'a>(value: &'a mut Value, member: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = value.as_object_mut()?.entry(member).or_insert_with(|| Value::Object(Map::new()));
    entry.as_object_mut()
}

/// Leaves only the first of the entries that have the same value of `member`.
pub(super) fn drop_twins(value: &mut Value, list: &str, member: &str) {
    if let Some(entries) = value.get_mut(list).and_then(Value::as_array_mut) {
        let mut seen = Vec::new();
        entries.retain(|entry| {
            let key = entry[member].clone();
            let is_new = !seen.contains(&key);
            seen.push(key);
            is_new
        });
    }
}

/// Keeps the entries of a list for which `keep` holds.
pub(super) fn retain(value: &mut Value, list: &str, keep: impl FnMut(&Value) -> bool) {
    if let Some(entries) = value.get_mut(list).and_then(Value::as_array_mut) {
        entries.retain(keep);
    }
}

/// The kind of an error.
pub(super) fn kind(error: &Value) -> &str {
    error["data"]["kind"].as_str().unwrap_or_default()
}

/// Makes an error one of another kind.
pub(super) fn set_kind(error: &mut Value, kind: ErrorKind) {
    set(error, "code", kind.code());
    if let Some(data) = object(error, "data") {
        data.insert("kind".into(), kind.as_str().into());
    }
}

/// An error object.
pub(super) fn error(kind: ErrorKind, message: &str) -> Value {
    serde_json::to_value(Error::new(kind, message)).unwrap_or_default()
}

/// The response with an error.
pub(super) fn failure(id: &Value, kind: ErrorKind, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": error(kind, message)})
}

/// The response with a result.
pub(super) fn success(id: &Value, result: Value) -> Value {
    let mut response = json!({"jsonrpc": "2.0", "id": id});
    set(&mut response, "result", result);
    response
}

/// Makes an answer a success.
pub(super) fn succeed(frame: &mut Value, result: impl Into<Value>) {
    forget(frame, "error");
    set(frame, "result", result);
}
