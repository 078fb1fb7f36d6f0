//! Holds the tests of both crates to `SPEC.md`: every MUST of a host is proven by a test that says so.
//!
//! A test says so by a comment right above its attributes: `SPEC:` and the ids of the sentences that it proves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use kdn_protocol::text::sentences;

const MARK: &str = "// SPEC: ";

/// Sentences that no test can prove now, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[("LIFE-35", "the tests run on Unix")];

/// The Rust files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What the tests claim: for each id, where.
fn claims() -> BTreeMap<String, Vec<String>> {
    let protocol = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests", "../kdn/src", "../kdn/tests"] {
        files(&protocol.join(folder), &mut sources);
    }
    let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources {
        let text = fs::read_to_string(&path).expect("a source file");
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(ids) = line.strip_prefix(MARK) else { continue };
            let place = format!("{}:{}", path.display(), at + 1);
            assert!(is_above_a_test(&lines[at + 1..]), "{place}: this is not right above a test");
            for id in ids.split(", ") {
                claims.entry(id.to_owned()).or_default().push(place.clone());
            }
        }
    }
    claims
}

/// Whether these lines begin with the attributes of a test that is run, and the test.
fn is_above_a_test(lines: &[&str]) -> bool {
    let head: Vec<&str> = lines
        .iter()
        .skip_while(|line| line.starts_with(MARK))
        .take_while(|line| line.starts_with("#["))
        .copied()
        .collect();
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    head.iter().any(is_test) && !head.iter().any(|line| line.starts_with("#[ignore"))
}

#[test]
fn every_must_of_a_host_has_a_test() {
    let claims = claims();
    let of_hosts: BTreeSet<&str> = sentences().filter(|s| s.tag == "host").map(|s| s.id).collect();
    let wrong: Vec<_> = claims.iter().filter(|(id, _)| !of_hosts.contains(id.as_str())).collect();
    assert!(wrong.is_empty(), "no sentences for a host: {wrong:#?}");

    let musts: BTreeSet<&str> =
        sentences().filter(|s| s.tag == "host" && s.text.contains("MUST")).map(|s| s.id).collect();
    let excepted: BTreeSet<&str> = EXCEPTIONS.iter().map(|(id, _)| *id).collect();
    let untested: Vec<_> =
        musts.iter().filter(|id| !claims.contains_key(**id) && !excepted.contains(*id)).collect();
    assert!(untested.is_empty(), "{} sentences without a test: {untested:?}", untested.len());
    let needless: Vec<_> =
        excepted.iter().filter(|id| claims.contains_key(**id) || !musts.contains(*id)).collect();
    assert!(needless.is_empty(), "no exceptions: {needless:?}");
}

#[test]
fn a_mark_belongs_to_the_test_below_it() {
    assert!(is_above_a_test(&["#[test]", "fn a() {"]));
    assert!(is_above_a_test(&["// SPEC: A-1", "#[expect(x)]", "#[tokio::test]", "async fn a() {"]));
    for lines in [&["fn a() {"][..], &["", "#[test]"], &["#[test]", "#[ignore = \"slow\"]", "fn a() {"], &[]]
    {
        assert!(!is_above_a_test(lines), "{lines:?}");
    }
}
