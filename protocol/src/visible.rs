//! Text of others, such as drivers, made safe to show: what would act on a terminal is made visible (SEC-10).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes a text safe to show on one line: control characters, escape sequences and marks that reorder text become
/// `\n`, `\u{1b}` and so on. Plain text stays as it is.
pub fn line(text: &str) -> Cow<'_, str> {
    visible(text, |_| false)
}

/// The same for a text of several lines: line ends and tabs keep their meaning.
pub fn lines(text: &str) -> Cow<'_, str> {
    match visible(text, |c| matches!(c, '\n' | '\t')) {
        Cow::Owned(text) if text.contains("\\r\n") => Cow::Owned(text.replace("\\r\n", "\n")),
        text => text,
    }
}

fn visible(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let acts = |c: char| is_active(c) && !keep(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            _ if !acts(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ => write!(safe, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default(),
        }
    }
    Cow::Owned(safe)
}

/// Whether a terminal does something else than to show this character.
pub fn is_active(c: char) -> bool {
    // `is_control`: C0, delete and C1. The rest separate lines, or reorder the text around them.
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_what_would_act() {
        assert_eq!(line("a\u{1b}[31mb\r\n\tc"), r"a\u{1b}[31mb\r\n\tc");
        assert_eq!(line("\u{9b}2J \u{202e}gpj.exe \u{7f}"), r"\u{9b}2J \u{202e}gpj.exe \u{7f}");
        assert_eq!(lines("a\r\n\tb\rc\n"), "a\n\tb\\rc\n");
    }

    #[test]
    fn plain_text_is_not_even_copied() {
        for text in ["", "café 日本 👩\u{200d}💻", r"C:\new\r"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
        assert!(matches!(lines("a\n\tb"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_active_gets_through(text in "(\\PC|[\\x00-\\x1f\\x7f-\u{9f}\u{61c}\u{200e}-\u{202e}\u{2066}-\u{2069}]){0,20}") {
            prop_assert!(!line(&text).contains(is_active));
            prop_assert!(!lines(&text).contains(|c| is_active(c) && c != '\n' && c != '\t'));
        }
    }
}
