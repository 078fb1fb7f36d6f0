//! Words as `/bin/sh` reads them.

/// A word that the shell takes as it is, whatever is in it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Words with a blank between them.
pub fn join(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    words.into_iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn nothing_in_a_word_means_anything_to_the_shell() {
        assert_eq!(quote("@development-tools"), "@development-tools");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's; $HOME\n"), "'it'\\''s; $HOME\n'");
    }
}
