//! The proof that every check can fail: with no defect all pass; with a defect of the reference driver exactly those
//! fail that `matrix.txt` names, and each check is named there.
//!
//! With a defect run the checks that are named for it, those that cover the sentences that it breaks, and every thirty-second
//! of the others, other ones for each defect; with `KDN_MATRIX=full`, all that are quick. `KDN_MATRIX=write` writes
//! the file anew; look at what has changed. `KDN_MATRIX_ONLY=text` takes only the defects with this text in their names.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test looks at the whole machine, and may panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use kdn_conformance::{
    check::Check,
    checks,
    fixture::Fixture,
    outcome::Outcome,
    run::{self, Options},
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix.txt");
const HEAD: &str = "\
# What each defect of the reference driver makes fail: `driver defect: checks`. The driver is the one behind the defect.
# matrix.rs reads it, and writes it anew with KDN_MATRIX=write.
";

/// Driver and defect, and the checks that fail.
type Matrix = BTreeMap<(String, String), BTreeSet<String>>;

/// The folder of the executables of this workspace.
fn target() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_kdn-conformance")).parent().expect("a folder").to_owned()
}

fn read() -> Matrix {
    let text = fs::read_to_string(FILE).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (subject, failing) = line.split_once(':').expect("a colon");
            let (driver, defect) = subject.split_once(' ').expect("driver and defect");
            let failing = failing.split_whitespace().map(str::to_owned).collect();
            ((driver.to_owned(), defect.to_owned()), failing)
        })
        .collect()
}

fn write(matrix: &Matrix) {
    let mut text = HEAD.to_owned();
    for ((driver, defect), failing) in matrix {
        let failing: Vec<_> = failing.iter().map(String::as_str).collect();
        writeln!(text, "{driver} {defect}: {}", failing.join(" ")).unwrap();
    }
    let new = format!("{FILE}.new");
    fs::write(&new, text).unwrap();
    fs::rename(new, FILE).unwrap();
}

/// A defect of the matrix.
struct Case<'a> {
    driver: &'a str,
    defect: &'a str,
    /// The checks that fail.
    due: &'a BTreeSet<String>,
    /// The sentences that it breaks.
    breaks: BTreeSet<String>,
}

impl Case<'_> {
    fn runs(&self, check: &Check) -> bool {
        let own = self.due.contains(check.id) || check.covers.iter().any(|id| self.breaks.contains(*id));
        let full = env::var("KDN_MATRIX").is_ok_and(|value| value == "full");
        // A number that stays the same: the sum of the bytes of both names.
        let number: usize = check.id.bytes().chain(self.defect.bytes()).map(usize::from).sum();
        own || (!check.slow && (self.defect == "none" || full || number.is_multiple_of(32)))
    }
}

/// What the reference driver says of its defects: the sentences that each breaks.
fn sentences() -> BTreeMap<String, BTreeSet<String>> {
    let mut fake = Command::new(target().join("kdn-runtime-fake"));
    let output = fake.env("KDN_FAKE_DEFECT", "sentences").env("KDN_RUNTIME_PROTOCOL", "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().chain(["none"]).map(|line| line.split_once('\t').unwrap_or((line, "")));
    lines.map(|(name, ids)| (name.to_owned(), ids.split_whitespace().map(str::to_owned).collect())).collect()
}

/// The checks that fail or warn, or are broken, and why.
fn run(case: &Case<'_>, links: &Path) -> BTreeMap<String, String> {
    let (driver, defect) = (case.driver, case.defect);
    let target = target();
    let fixture = match driver {
        "fake" => Fixture::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fake.json")).unwrap(),
        _ => Fixture::default(),
    };
    let behind = target.join(format!("kdn-runtime-{driver}"));
    let probe = env!("CARGO_BIN_EXE_kdn-conformance").into();
    let mut options = Options {
        checks: checks().filter(|check| case.runs(check)).collect(),
        strict: true,
        seed: 1,
        jobs: 4,
        patience: Duration::from_secs(5),
        change_patience: Duration::from_secs(10),
        ..Options::new(behind.clone(), fixture, probe)
    };
    if defect != "none" {
        options.env.insert("KDN_FAKE_DEFECT".into(), defect.into());
        options.env.insert("KDN_FAKE_BEHIND".into(), behind.to_str().unwrap().into());
        options.driver = links.join(format!("kdn-runtime-{driver}"));
    }
    let report = run::run(&options, &|_| ());
    let failing = report.verdicts.into_iter().filter_map(|verdict| match verdict.outcome {
        Outcome::Failed(why) | Outcome::Warned(why) => Some((verdict.check.id.to_owned(), why)),
        Outcome::Broken(why) => Some((verdict.check.id.to_owned(), format!("BROKEN: {why}"))),
        _ => None,
    });
    failing.collect()
}

#[test]
fn each_defect_fails_its_checks_and_no_others() {
    let expected = read();
    let writing = env::var("KDN_MATRIX").is_ok_and(|value| value == "write");
    let only = env::var("KDN_MATRIX_ONLY").unwrap_or_default();
    let links = tempfile::tempdir().unwrap();
    for driver in ["fake", "sandbox"] {
        let link = links.path().join(format!("kdn-runtime-{driver}"));
        std::os::unix::fs::symlink(target().join("kdn-runtime-fake"), link).unwrap();
    }
    let sentences = sentences();
    let all: Vec<Case<'_>> = expected
        .iter()
        .filter(|((_, defect), _)| defect.contains(&only))
        .map(|((driver, defect), due)| {
            let breaks =
                sentences.get(defect).unwrap_or_else(|| panic!("there is no defect {defect}")).clone();
            Case { driver, defect, due, breaks }
        })
        .collect();
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let failing = run(case, links.path());
            seen.lock().unwrap().push((case, failing));
        }
    };
    thread::scope(|scope| {
        // Half of the time goes by in waiting for what does not come.
        let workers = 2 * thread::available_parallelism().map_or(2, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    let mut wrong = Vec::new();
    let mut matrix = expected.clone();
    for (case, mut failing) in seen.into_inner().unwrap() {
        let Case { driver, defect, due, .. } = case;
        if !failing.keys().eq(due.iter()) {
            // Once more and alone: what takes a processor or a deadline shows only on a quiet machine.
            failing = run(case, links.path());
        }
        let ids: BTreeSet<String> = failing.keys().cloned().collect();
        if ids != **due {
            let mut text = format!("{driver} {defect}:");
            ids.difference(due).for_each(|id| write!(text, "\n  fails too: {id}: {}", failing[id]).unwrap());
            due.difference(&ids).for_each(|id| write!(text, "\n  does not fail: {id}").unwrap());
            wrong.push(text);
        }
        matrix.insert(((*driver).to_owned(), (*defect).to_owned()), ids);
    }
    if writing {
        write(&matrix);
        return;
    }
    assert!(
        wrong.is_empty(),
        "{} defects do not do what matrix.txt says:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn each_check_has_a_defect() {
    let matrix = read();
    let failing: BTreeSet<&str> = matrix.values().flatten().map(String::as_str).collect();
    let without: Vec<_> = checks().map(|check| check.id).filter(|id| !failing.contains(id)).collect();
    assert!(without.is_empty(), "nothing makes these checks fail: {without:?}");
}

#[test]
fn each_defect_makes_a_check_fail() {
    let idle: Vec<_> =
        read().into_iter().filter(|((_, defect), failing)| defect != "none" && failing.is_empty()).collect();
    assert!(idle.is_empty(), "these defects make nothing fail: {idle:?}");
}

#[test]
fn each_defect_has_a_line() {
    let matrix = read();
    let listed: BTreeSet<&str> = matrix.keys().map(|(_, defect)| defect.as_str()).collect();
    let sentences = sentences();
    let known: BTreeSet<&str> = sentences.keys().map(String::as_str).collect();
    let difference: Vec<_> = known.symmetric_difference(&listed).collect();
    assert!(difference.is_empty(), "these are either no defects, or have no line: {difference:?}");
}
