//! Holds the tables to their form and to the specification.

use std::collections::BTreeSet;

use super::all;

const SPEC: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/SPEC.md"));

/// The ids of the sentences that the suite checks, and whether they are required.
fn sentences() -> impl Iterator<Item = (&'static str, bool)> {
    SPEC.lines().filter_map(|line| {
        let (id, text) = line.strip_prefix("- **")?.split_once("** (driver) ")?;
        Some((id, text.contains(" MUST ")))
    })
}

fn broken() -> BTreeSet<&'static str> {
    all().flat_map(|defect| defect.breaks.split(' ')).collect()
}

#[test]
fn names_are_words_and_unique() {
    let mut names = BTreeSet::new();
    for defect in all() {
        let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(defect.name.chars().all(is_fine), "{}", defect.name);
        assert!(names.insert(defect.name), "{} is there twice", defect.name);
    }
}

#[test]
fn defects_break_sentences_that_exist() {
    let known: BTreeSet<_> = sentences().map(|(id, _)| id).collect();
    let unknown: Vec<_> = broken().difference(&known).copied().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_sentence_is_broken() {
    let broken = broken();
    let spared: BTreeSet<_> = sentences().map(|(id, _)| id).filter(|id| !broken.contains(id)).collect();
    assert!(spared.is_empty(), "{spared:?}");
}
