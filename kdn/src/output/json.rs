//! JSON as the files and the results of kdn have always looked.

use serde::Serialize;

/// Two-space indent and one newline at the end; `<`, `>`, `&` and the two Unicode line separators are escaped, so
/// that the text can be put into HTML and JavaScript.
///
/// Panics when `value` has a map with keys that are no text.
pub fn pretty(value: &impl Serialize) -> String {
    let plain = serde_json::to_string_pretty(value).expect("types of kdn have text keys");
    let mut json = String::with_capacity(plain.len() + 1);
    // Outside strings JSON has none of these characters, so there is no need to know where the strings are.
    for c in plain.chars() {
        match c {
            '<' => json.push_str("\\u003c"),
            '>' => json.push_str("\\u003e"),
            '&' => json.push_str("\\u0026"),
            '\u{2028}' => json.push_str("\\u2028"),
            '\u{2029}' => json.push_str("\\u2029"),
            _ => json.push(c),
        }
    }
    json.push('\n');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn looks_the_same_as_ever() {
        let value = json!({"items": [], "info": {}, "a": "<b> & \"c\" \u{2028}\n\u{1b}é", "n": null});
        insta::assert_snapshot!(pretty(&value), @r#"
        {
          "a": "\u003cb\u003e \u0026 \"c\" \u2028\n\u001bé",
          "info": {},
          "items": [],
          "n": null
        }
        "#);
    }

    proptest! {
        #[test]
        fn reads_back_as_it_was(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&pretty(&text)).unwrap(), text);
        }
    }
}
