//! Words of commands that people are to paste.

use std::borrow::Cow;

/// A word for a POSIX shell, in quotes where it needs them.
///
/// Not in single ones if that can be, as people are shown commands within them.
pub fn word(word: &str) -> Cow<'_, str> {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c)) {
        Cow::Borrowed(word)
    } else if word.contains(['"', '$', '`', '\\', '!']) {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    } else {
        Cow::Owned(format!("\"{word}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_word_stays_one_and_what_it_is() {
        assert_eq!(word("a-b/c.d"), "a-b/c.d");
        assert_eq!(word("my token"), r#""my token""#);
        assert_eq!(word("it's"), r#""it's""#);
        assert_eq!(word(""), r#""""#);
        assert_eq!(word("it's $5"), r"'it'\''s $5'");
    }
}
