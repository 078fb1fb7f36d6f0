//! Each sentence of the specification that a driver has to keep has a check, and each check a sentence.

use std::collections::BTreeSet;

use kdn_conformance::{check::Check, checks};
use kdn_protocol::text::sentences;

/// Sentences that nothing outside a driver can see, and why.
const UNSEEN: &[(&str, &str)] = &[];

#[test]
fn every_required_sentence_has_a_check() {
    let covered: BTreeSet<&str> = checks().flat_map(|check| check.covers.iter().copied()).collect();
    let open: Vec<_> = sentences()
        .filter(|sentence| sentence.tag == "driver" && sentence.is_must())
        .filter(|sentence| !covered.contains(sentence.id) && UNSEEN.iter().all(|(id, _)| *id != sentence.id))
        .map(|sentence| format!("{}: {}", sentence.id, sentence.text))
        .collect();
    assert!(open.is_empty(), "{} sentences without a check:\n{}", open.len(), open.join("\n"));
    let needless: Vec<_> = UNSEEN.iter().filter(|(id, _)| covered.contains(id)).collect();
    assert!(needless.is_empty(), "these have a check: {needless:?}");
}

#[test]
fn every_check_covers_sentences_of_one_level() {
    for check in checks() {
        let found: Vec<_> = check.sentences().collect();
        assert!(!found.is_empty(), "{} covers no sentence", check.id);
        assert_eq!(found.len(), check.covers.len(), "{} names a sentence that does not exist", check.id);
        for sentence in found {
            assert_eq!(sentence.tag, "driver", "{} covers {}", check.id, sentence.id);
            assert_eq!(sentence.is_must(), check.is_must(), "{} covers MUST and SHOULD", check.id);
        }
    }
}

#[test]
fn ids_are_in_order_and_unique() {
    let ids: Vec<_> = checks().map(|check| check.id).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "an id is used twice");
    assert!(ids.len() >= 120, "only {} checks", ids.len());
    assert!(checks().map(Check::profile).is_sorted());
}
