//! What is true of every format.

use insta::assert_snapshot;
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::{Document, Format, parse};

const FORMATS: [Format; 5] = [Format::Json, Format::Jsonc, Format::Json5, Format::Toml, Format::Yaml];

fn document(format: Format, text: &str) -> Box<dyn Document> {
    parse(format, text).unwrap()
}

/// The same document read anew.
fn again(format: Format, document: &dyn Document) -> Value {
    parse(format, &document.text()).unwrap().get(&[]).unwrap()
}

#[test]
fn what_is_set_is_there() {
    for format in FORMATS {
        let mut file = document(format, "");
        file.set(&["a", "b c", "/d"], json!({"e": [1, "x", true], "f": {}})).unwrap();
        file.set(&["a", "b c", "/d", "g"], json!("\u{1b}\"\n: #")).unwrap();
        file.set(&["a", "h"], json!(1.5)).unwrap();
        let whole =
            json!({"a": {"b c": {"/d": {"e": [1, "x", true], "f": {}, "g": "\u{1b}\"\n: #"}}, "h": 1.5}});
        assert_eq!(again(format, &*file), whole, "{format:?}: {}", file.text());
        assert_eq!(file.get(&["a", "h"]), Some(json!(1.5)));
        assert_eq!(file.get(&["a", "x", "y"]), None);
        assert_eq!(file.set(&["a", "h", "i"], json!(1)), Err("\"a.h\" is not an object".to_owned()));
    }
}

/// Only the lines of what is set are new.
#[test]
fn comments_and_layout_stay() {
    let changed = |format, text: &str| {
        let mut file = document(format, text);
        file.set(&["a"], json!("new")).unwrap();
        file.set(&["c", "e"], json!(2)).unwrap();
        file.set(&["f"], json!(true)).unwrap();
        file.text()
    };
    let yaml = "# first\n\na:   old # why\n# of b\nb: [ 1,2 ]\n\n# of c\nc:\n  d: 0x1F # gone\n\n# last\n";
    assert_snapshot!(changed(Format::Yaml, yaml), @r"
    # first

    a: new # why
    # of b
    b: [ 1,2 ]

    # of c
    c:
      d: 31
      e: 2

    # last
    f: true
    ");
    let toml =
        "# first\na =   \"old\" # why\n\n# of b\nb = [ 1,2 ]\n\n[c] # of c\nd = 0x1F # kept\n\n# last\n";
    assert_snapshot!(changed(Format::Toml, toml), @r#"
    # first
    a =   "new" # why

    # of b
    b = [ 1,2 ]
    f = true

    [c] # of c
    d = 0x1F # kept
    e = 2

    # last
    "#);
    let json = "{ // first\n    \"a\":   'old', // why\n\n    b: [ 1,2 ], /* of b */\n    \"c\": {\"d\": 0x1F}, // last\n}\n";
    assert_snapshot!(changed(Format::Json5, json), @r#"
    { // first
        "a":   "new", // why

        b: [ 1,2 ], /* of b */
        "c": {
            "d": 0x1F,
            "e": 2
        }, // last
        "f": true,
    }
    "#);
}

#[test]
fn yaml_that_has_no_lines_of_its_own() {
    for text in [
        "{a: 1, b: {c: 2}}",
        "a: &x {c: 2}\nb: *x\n",
        "? a\n: 1\n",
        "a:\n- 1\n- 2\nb: x\n",
        "---\na: 1\n...\n",
        "\n# nothing\n",
    ] {
        let mut file = document(Format::Yaml, text);
        let Value::Object(mut map) = file.get(&[]).unwrap() else { panic!("{text}") };
        for (key, value) in [("a", json!({"n": [{"m": "x"}]})), ("new", json!("y"))] {
            file.set(&[key], value.clone()).unwrap();
            map.insert(key.to_owned(), value);
        }
        assert_eq!(again(Format::Yaml, &*file), Value::Object(map), "{text} became {}", file.text());
    }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]", "[ -~é]{1,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~é\n]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((key(), inner), 0..3).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_else_changes(
        before in vec((key(), value()), 0..5),
        path in vec(key(), 1..4),
        new in value(),
    ) {
        let whole: Map<String, Value> = before.into_iter().collect();
        for format in FORMATS {
            let mut file = document(format, "");
            for (key, value) in &whole {
                file.set(&[key], value.clone()).unwrap();
            }
            let read = parse(format, &file.text()).unwrap().get(&[]);
            prop_assert_eq!(read, Some(Value::Object(whole.clone())), "{:?}: {}", format, file.text());
            let keys: Vec<&str> = path.iter().map(String::as_str).collect();
            let expected = set(&mut whole.clone(), &keys, &new);
            let text = file.text();
            let is_set = file.set(&keys, new.clone()).is_ok();
            prop_assert_eq!(
                is_set.then(|| again(format, &*file)), expected, "{:?}: {}became {}", format, text, file.text()
            );
        }
    }
}

/// The same on a plain map; `None` where something on the way is no map.
fn set(map: &mut Map<String, Value>, path: &[&str], value: &Value) -> Option<Value> {
    let (key, rest) = path.split_first()?;
    if rest.is_empty() {
        map.insert((*key).to_owned(), value.clone());
    } else {
        let inner = map.entry(*key).or_insert_with(|| json!({})).as_object_mut()?;
        set(inner, rest, value)?;
    }
    Some(Value::Object(map.clone()))
}
