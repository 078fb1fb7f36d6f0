//! Patterns with `*` for any text and `?` for any one character.

/// Whether the pattern fits the whole text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| matches(rest.as_str(), &text[at..]))
        }
        Some(expected) => text.chars().next().is_some_and(|first| {
            (expected == '?' || expected == first) && matches(rest.as_str(), &text[first.len_utf8()..])
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_whole_ids() {
        assert!(matches("core/*", "core/crlf"));
        assert!(!matches("*/c?f", "core/crlf"));
        assert!(matches("*/c??f", "core/crlf"));
        assert!(!matches("core", "core/crlf"));
    }
}
