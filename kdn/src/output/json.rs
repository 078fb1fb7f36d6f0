//! JSON as the files and the results of kdn have always looked.

use std::fmt::Write as _;

use serde::Serialize;

use super::text::is_active;

/// A document for people and scripts: two-space indent, and one newline at the end.
///
/// `<`, `>` and `&` are escaped, so that the text can be put into HTML, and so is what would act on a terminal.
///
/// Panics when `value` has a map with keys that are no text.
pub fn pretty(value: &impl Serialize) -> String {
    escape(&serde_json::to_string_pretty(value).expect("types of kdn have text keys"))
}

/// The same on one line, for a stream of documents.
pub fn line(value: &impl Serialize) -> String {
    escape(&serde_json::to_string(value).expect("types of kdn have text keys"))
}

fn escape(plain: &str) -> String {
    let mut json = String::with_capacity(plain.len() + 1);
    // Line ends are those between values, as serde escapes them in strings; the others occur in strings only.
    for c in plain.chars() {
        if matches!(c, '<' | '>' | '&') || (is_active(c) && c != '\n') {
            let _ = write!(json, "\\u{:04x}", u32::from(c));
        } else {
            json.push(c);
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
        let value =
            json!({"items": [], "info": {}, "a": "<b> & \"c\" \u{2028}\n\u{1b}\u{9b}\u{202e}é", "n": null});
        insta::assert_snapshot!(pretty(&value), @r#"
        {
          "a": "\u003cb\u003e \u0026 \"c\" \u2028\n\u001b\u009b\u202eé",
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
