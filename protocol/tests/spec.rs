//! Holds `SPEC.md` to its own form, and its examples and its table of errors to the types of this crate.

use std::collections::{BTreeMap, BTreeSet};

use kdn_protocol::{
    CancelParams, Error, ErrorKind, Log, Step,
    method::{self, Method},
    text::{SPEC, Sentence, is_id, prose, sentences},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const TERMS: &str = "## 1. Purpose and terms";

fn examples() -> impl Iterator<Item = Value> {
    SPEC.split("\n```").skip(1).step_by(2).map(|block| {
        let json = block.strip_prefix("json\n").expect("a code block that is not json");
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in the example\n{json}"))
    })
}

/// How many times a text says MUST or SHOULD.
fn levels(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| matches!(*word, "MUST" | "SHOULD")).count()
}

#[test]
fn every_requirement_has_an_id_and_a_tag() {
    let mut in_terms = false;
    for line in prose() {
        if line.starts_with("## ") {
            in_terms = line == TERMS;
        }
        let Some(sentence) = Sentence::read(line) else {
            assert!(in_terms || levels(line) == 0, "no id and tag: {line}");
            continue;
        };
        let level_fits_tag = match sentence.tag {
            "driver" | "host" => true,
            "advice" => sentence.text.contains("SHOULD"),
            _ => false,
        };
        assert!(level_fits_tag, "wrong tag or level: {line}");
        assert_eq!(levels(sentence.text), 1, "not exactly one MUST or SHOULD: {line}");
        assert!(sentence.text.ends_with('.') && !sentence.text.contains(". "), "not one sentence: {line}");
    }
}

#[test]
fn ids_are_unique_and_what_is_referred_to_exists() {
    let mut ids = BTreeSet::new();
    for sentence in sentences() {
        assert!(ids.insert(sentence.id), "{} is there twice", sentence.id);
    }
    assert!(!ids.is_empty());
    for word in prose().flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')) {
        assert!(!is_id(word) || ids.contains(word), "{word} does not exist");
    }
}

#[test]
fn examples_are_what_the_types_write() {
    let mut methods = BTreeMap::new();
    let mut shown = BTreeSet::new();
    for example in examples() {
        assert_eq!(example["jsonrpc"], "2.0", "{example}");
        let id = example["id"].as_u64();
        if let Some(method) = example["method"].as_str() {
            if let Some(id) = id {
                assert!(methods.insert(id, method.to_owned()).is_none(), "two requests have the id {id}");
            }
            shown.insert(format!("{method} params"));
            assert_eq!(example["params"], written(method, &example["params"], Side::Params));
        } else {
            let method = &methods[&id.expect("a response without an id")];
            if let Some(error) = example.get("error") {
                assert_eq!(*error, read_and_write::<Error>(error));
            } else {
                shown.insert(format!("{method} result"));
                assert_eq!(example["result"], written(method, &example["result"], Side::Result));
            }
        }
    }
    for name in method::NAMES {
        assert!(shown.remove(&format!("{name} params")), "no example of a request for {name}");
        assert!(shown.remove(&format!("{name} result")), "no example of a result of {name}");
    }
    let notifications =
        [method::STEP, method::LOG, method::CANCEL_REQUEST].map(|name| format!("{name} params"));
    assert_eq!(shown, BTreeSet::from(notifications));
}

#[derive(Clone, Copy)]
enum Side {
    Params,
    Result,
}

/// What comes out when the type that belongs to `method` has read `example`.
fn written(method: &str, example: &Value, side: Side) -> Value {
    macro_rules! by_name {
        ($($name:ident)*) => {
            match (method, side) {
                $(
                    (method::$name::NAME, Side::Params) => {
                        read_and_write::<<method::$name as Method>::Params>(example)
                    }
                    (method::$name::NAME, Side::Result) => {
                        read_and_write::<<method::$name as Method>::Result>(example)
                    }
                )*
                (method::STEP, _) => read_and_write::<Step>(example),
                (method::LOG, _) => read_and_write::<Log>(example),
                (method::CANCEL_REQUEST, _) => read_and_write::<CancelParams>(example),
                _ => panic!("no method {method}"),
            }
        };
    }
    by_name!(Type Flags Initialize GetStatus ListAgents Create Start Stop Remove Info List Terminal Dashboard Shutdown)
}

fn read_and_write<T: Serialize + DeserializeOwned>(example: &Value) -> Value {
    let message: T = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{e} in {example}"));
    serde_json::to_value(message).expect("a message is JSON")
}

#[test]
fn the_table_of_errors_is_complete() {
    let rows: Vec<String> = prose()
        .skip_while(|line| !line.starts_with("| code | kind |"))
        .skip(2)
        .take_while(|line| line.starts_with("| "))
        .map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join(" | "))
        .collect();
    let kinds: Vec<String> =
        ErrorKind::ALL.iter().map(|kind| format!("| {} | `{}`", kind.code(), kind.as_str())).collect();
    assert_eq!(rows, kinds);
}
