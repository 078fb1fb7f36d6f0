//! The proof that every check can fail: with no defect all pass; with a defect of the reference driver exactly those
//! fail that `matrix.txt` names, and each check is named there.
//!
//! Write the file anew with `KDN_MATRIX=write`, and look at what has changed.
#![cfg(target_os = "linux")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
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
    #[expect(clippy::disallowed_methods, reason = "it is renamed when it is whole")]
    fs::write(&new, text).unwrap();
    fs::rename(new, FILE).unwrap();
}

/// The checks that fail or warn with this defect, besides those that are broken or skipped.
fn run(driver: &str, defect: &str, slow: &BTreeSet<String>, links: &Path) -> BTreeMap<String, String> {
    let target = target();
    let fixture = match driver {
        "fake" => Fixture::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fake.json")).unwrap(),
        _ => Fixture::default(),
    };
    let behind = target.join(format!("kdn-runtime-{driver}"));
    let mut env = kdn_conformance::env_for_drivers(&fixture);
    if defect != "none" {
        env.insert("KDN_FAKE_DEFECT".into(), defect.into());
        env.insert("KDN_FAKE_BEHIND".into(), behind.to_str().unwrap().into());
    }
    let checks: Vec<&'static Check> =
        checks().filter(|check| !check.slow || slow.contains(check.id)).collect();
    let options = Options {
        driver: if defect == "none" { behind } else { links.join(format!("kdn-runtime-{driver}")) },
        checks,
        profiles: Vec::new(),
        quick: true,
        strict: true,
        seed: 1,
        jobs: 8,
        patience: Duration::from_secs(3),
        change_patience: Duration::from_secs(6),
        fixture,
        env,
        probe: env!("CARGO_BIN_EXE_kdn-conformance").into(),
        command: Vec::new(),
        interrupted: Arc::new(AtomicBool::new(false)),
    };
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
    let writing = std::env::var("KDN_MATRIX").is_ok_and(|value| value == "write");
    let only = std::env::var("KDN_MATRIX_ONLY").unwrap_or_default();
    let links = tempfile::tempdir().unwrap();
    for driver in ["fake", "sandbox"] {
        let link = links.path().join(format!("kdn-runtime-{driver}"));
        std::os::unix::fs::symlink(target().join("kdn-runtime-fake"), link).unwrap();
    }
    let all: Vec<_> = expected.iter().filter(|((_, defect), _)| defect.contains(&only)).collect();
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(Matrix::new()));
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(((driver, defect), due)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let failing = run(driver, defect, due, links.path());
            let ids: BTreeSet<String> = failing.keys().cloned().collect();
            if ids != **due {
                let mut text = format!("{driver} {defect}:");
                ids.difference(due)
                    .for_each(|id| write!(text, "\n  fails too: {id}: {}", failing[id]).unwrap());
                due.difference(&ids).for_each(|id| write!(text, "\n  does not fail: {id}").unwrap());
                wrong.lock().unwrap().push(text);
            }
            seen.lock().unwrap().insert((driver.clone(), defect.clone()), ids);
        }
    };
    thread::scope(|scope| {
        (0..thread::available_parallelism().map_or(2, Into::into)).for_each(|_| drop(scope.spawn(work)));
    });
    if writing {
        let mut matrix = expected.clone();
        matrix.extend(seen.into_inner().unwrap());
        write(&matrix);
        return;
    }
    let wrong = wrong.into_inner().unwrap();
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
    let without: Vec<_> =
        checks().filter(|check| !failing.contains(check.id)).map(|check| check.id).collect();
    assert!(without.is_empty(), "{} checks that nothing makes fail: {without:#?}", without.len());
}

#[test]
fn each_defect_makes_a_check_fail() {
    let idle: Vec<_> =
        read().into_iter().filter(|((_, defect), failing)| defect != "none" && failing.is_empty()).collect();
    assert!(idle.is_empty(), "these defects make nothing fail: {idle:?}");
}
