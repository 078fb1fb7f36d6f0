//! Workspace names: what a wanted name becomes.

/// The name of a workspace when nothing is left of the wanted one.
const FALLBACK: &str = "workspace";

/// Cleans a name: lower case, each run of characters outside `a-z 0-9 . _ -` becomes `-`, none of `-._` at the ends.
pub fn clean(wanted: &str) -> String {
    let mut name = String::with_capacity(wanted.len());
    let mut in_run = false;
    for c in wanted.chars().flat_map(char::to_lowercase) {
        let keep = matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
        if keep {
            name.push(c);
        } else if !in_run {
            name.push('-');
        }
        in_run = !keep;
    }
    match name.trim_matches(['-', '.', '_']) {
        "" => FALLBACK.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// Makes a name unique: `app`, else `app-2`, `app-3`, and so on.
pub fn unique(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(name) {
        return name.to_owned();
    }
    let mut number = 2_u64;
    loop {
        let candidate = format!("{name}-{number}");
        if !is_taken(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples() {
        for (wanted, name) in [
            ("My App", "my-app"),
            ("a  (b)", "a-b"),
            ("-._x_.-", "x"),
            ("a--b", "a--b"),
            ("v1.2_rc", "v1.2_rc"),
            ("über/cool", "ber-cool"),
            ("", "workspace"),
            ("/", "workspace"),
            ("日本", "workspace"),
        ] {
            assert_eq!(clean(wanted), name, "{wanted}");
        }
    }

    #[test]
    fn counts_up_from_two() {
        let taken = ["app", "app-2", "app-4"];
        assert_eq!(unique("app", |name| taken.contains(&name)), "app-3");
        assert_eq!(unique("other", |name| taken.contains(&name)), "other");
    }

    proptest! {
        #[test]
        fn cleaning_is_idempotent_and_clean(wanted in any::<String>()) {
            let name = clean(&wanted);
            prop_assert_eq!(clean(&name), name.clone());
            prop_assert!(!name.is_empty());
            prop_assert!(name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')));
            prop_assert!(!name.starts_with(['-', '.', '_']) && !name.ends_with(['-', '.', '_']));
        }

        #[test]
        fn a_unique_name_is_not_taken(taken in prop::collection::hash_set("a(-[2-6])?", 0..6)) {
            prop_assert!(!taken.contains(&unique("a", |name| taken.contains(name))));
        }
    }
}
