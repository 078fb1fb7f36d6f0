//! Keeps the values of secrets out of what a driver says, which ends in errors, logs and state: a driver must not
//! repeat them, and some do, with the command line that failed.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use crate::Secret;

/// What stands in place of a value.
const MARK: &str = "[redacted]";
/// The shortest value that is looked for, in bytes: a shorter one is a part of too many words.
const SHORTEST: usize = 4;

/// The values that a driver was told, the longest first. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Redactor(Arc<Mutex<Vec<String>>>);

impl Redactor {
    /// Looks for these values from now on, as they are and as they are in JSON. Of one with several lines each line
    /// is looked for, as what is printed comes line by line.
    pub(super) fn learn<'a>(&self, values: impl Iterator<Item = &'a Secret<String>>) {
        let mut known = self.values();
        for value in values {
            let quoted = Value::from(value.expose().as_str()).to_string();
            let forms = value.expose().lines().chain([value.expose().as_str(), quoted.trim_matches('"')]);
            known.extend(forms.filter(|form| form.len() >= SHORTEST).map(str::to_owned));
        }
        // What is part of a longer value must not tear that one apart.
        known.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup();
    }

    /// Whether there are values to look for.
    pub(super) fn is_needed(&self) -> bool {
        !self.values().is_empty()
    }

    /// Text, in whole lines.
    pub(super) fn text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let clean = clean(&String::from_utf8_lossy(text), &self.values());
        clean.map_or(Cow::Borrowed(text), |clean| clean.into_bytes().into())
    }

    /// A line of stdout. In a message, only what is text for people changes: a name or a state stays what it is.
    pub(super) fn line<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let values = self.values();
        if values.is_empty() {
            return line.into();
        }
        let Ok(mut message) = serde_json::from_slice::<Value>(line) else {
            drop(values);
            return self.text(line);
        };
        if redact(&mut message, false, &values) {
            message.to_string().into_bytes().into()
        } else {
            line.into()
        }
    }

    fn values(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a field of a message, or what is in it, is text for people.
fn is_text(name: &str, value: &Value) -> bool {
    let names = ["message", "hints", "text", "inProgress", "completed", "reason", "info"];
    names.contains(&name) || name == "error" && value.is_string()
}

/// Takes the values out of the texts in a JSON value; says whether there were some.
fn redact(json: &mut Value, in_text: bool, values: &[String]) -> bool {
    match json {
        Value::String(text) if in_text => clean(text, values).is_some_and(|clean| {
            *text = clean;
            true
        }),
        Value::Array(items) => {
            items.iter_mut().fold(false, |found, item| redact(item, in_text, values) | found)
        }
        Value::Object(fields) => fields.iter_mut().fold(false, |found, (name, value)| {
            let in_text = in_text || is_text(name, value);
            redact(value, in_text, values) | found
        }),
        _ => false,
    }
}

/// The text without the values, if they are in it.
fn clean(text: &str, values: &[String]) -> Option<String> {
    let found: Vec<&String> = values.iter().filter(|value| text.contains(*value)).collect();
    let clean = || found.iter().fold(text.to_owned(), |text, value| text.replace(*value, MARK));
    (!found.is_empty()).then(clean)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn knowing(values: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        let values: Vec<_> = values.iter().map(|value| Secret::new((*value).to_owned())).collect();
        redactor.learn(values.iter());
        redactor
    }

    fn line(redactor: &Redactor, line: &Value) -> Value {
        serde_json::from_slice(&redactor.line(line.to_string().as_bytes())).unwrap()
    }

    #[test]
    fn texts_lose_the_values_and_names_stay() {
        let redactor = knowing(&["test", "tests\"é"]);
        let refusal = json!({"code": 1, "message": "curl tests\"é test", "data": {"kind": "test", "hints": ["a test"]}});
        let shown = json!({"code": 1, "message": "curl [redacted] [redacted]", "data": {"kind": "test", "hints": ["a [redacted]"]}});
        assert_eq!(line(&redactor, &json!({"id": 1, "error": refusal})), json!({"id": 1, "error": shown}));
        let instance =
            json!({"id": "test", "name": "test", "state": "test", "reason": "test", "info": {"a": "b=test"}});
        let shown = json!({"id": "test", "name": "test", "state": "test", "reason": "[redacted]", "info": {"a": "b=[redacted]"}});
        assert_eq!(line(&redactor, &json!({"result": instance})), json!({"result": shown}));
        let failed = json!({"method": "$/step", "params": {"event": "fail", "error": "test"}});
        assert_eq!(line(&redactor, &failed)["params"]["error"], "[redacted]");
        assert_eq!(&*redactor.line(b"a test"), b"a [redacted]", "a line that is no message");
    }

    #[test]
    fn what_is_looked_for() {
        let shown = |values: &[&str], text: &str| {
            String::from_utf8(knowing(values).text(text.as_bytes()).into_owned()).unwrap()
        };
        assert_eq!(shown(&["abc", ""], "abc"), "abc", "too short to be found in words");
        assert_eq!(shown(&["one\nsecond"], "-e second\n"), "-e [redacted]\n");
        assert_eq!(shown(&["a\"b\"c"], r#"{"v":"a\"b\"c"}"#), r#"{"v":"[redacted]"}"#);
        assert_eq!(shown(&["long", "longer"], "longer long"), "[redacted] [redacted]");
    }
}
