//! The drivers of this repository pass all that they declare, without an expected failure; README.md tells which checks
//! ran on which.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test looks at the whole machine, and may panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kdn_conformance::{
    check::Profile,
    checks,
    fixture::Fixture,
    outcome::Outcome,
    run::{self, Options},
};

const SUITE: &str = env!("CARGO_BIN_EXE_kdn-conformance");
const CRATE: &str = env!("CARGO_MANIFEST_DIR");
/// The drivers, in the order of the table.
const SUBJECTS: [&str; 7] = ["fake", "sandbox", "minimal", "python", "typescript", "go", "sh"];

/// The executable of a driver, under the name that it has to have; `None` if a tool for it is missing.
fn driver(name: &str, folder: &Path) -> Option<PathBuf> {
    let built = Path::new(SUITE).parent().expect("a folder");
    let starter =
        |path: &str| Path::new(CRATE).join("../drivers/starters").join(path).canonicalize().expect(path);
    let link = folder.join(format!("kdn-runtime-{name}"));
    let script =
        |path: &str, tool: &str| is_there(tool).then(|| symlink(starter(path), &link).expect("a link"));
    match name {
        "fake" | "sandbox" => return Some(built.join(format!("kdn-runtime-{name}"))),
        "minimal" => symlink(built.join("examples/minimal"), &link).expect("a link"),
        "python" => script("python/driver.py", "python3")?,
        "typescript" => script("typescript/driver.cjs", "node")?,
        "sh" => script("sh/driver.sh", "jq")?,
        "go" if is_there("go") => {
            let mut go = Command::new("go");
            go.args(["build", "-o"]).arg(&link).arg(".").current_dir(starter("go"));
            assert!(go.status().expect("go").success(), "go build failed");
        }
        _ => return None,
    }
    Some(link)
}

/// Whether a tool is there; if not, the test says so, or fails when `KDN_REQUIRE` names the tool.
fn is_there(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|folder| folder.join(tool).is_file());
    let required = env::var("KDN_REQUIRE").unwrap_or_default();
    assert!(found || !required.split(',').any(|name| name == tool), "{tool} is required, and not there");
    if !found {
        eprintln!("skipped: {tool} is not there");
    }
    found
}

/// How many checks of each profile ran.
type Ran = BTreeMap<Profile, usize>;

/// One driver after the other: some checks hold a driver to a second or two, which it needs a processor for.
static TURN: Mutex<()> = Mutex::new(());

fn run(name: &str) -> Option<Ran> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let driver = driver(name, folder.path())?;
    let fixture = match name {
        "fake" => Fixture::read(&Path::new(CRATE).join("fixtures/fake.json")).expect("a fixture"),
        _ => Fixture::default(),
    };
    let options = Options {
        seed: 1,
        jobs: 4,
        patience: Duration::from_secs(20),
        change_patience: Duration::from_mins(1),
        ..Options::new(driver, fixture, SUITE.into())
    };
    let report = run::run(&options, &|_| ());
    let mut ran = Ran::new();
    let mut wrong = Vec::new();
    for verdict in &report.verdicts {
        *ran.entry(verdict.check.profile()).or_default() +=
            usize::from(!matches!(verdict.outcome, Outcome::Skipped(_)));
        if let Outcome::Failed(why) | Outcome::Broken(why) = &verdict.outcome {
            wrong.push(format!("{}: {why}\n{}", verdict.check.id, verdict.transcript.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{name} fails {} checks:\n{}", wrong.len(), wrong.join("\n\n"));
    Some(ran)
}

#[test]
fn fake_passes() {
    run("fake");
}

#[test]
fn sandbox_passes() {
    run("sandbox");
}

#[test]
fn minimal_passes() {
    run("minimal");
}

#[test]
fn python_passes() {
    run("python");
}

#[test]
fn typescript_passes() {
    run("typescript");
}

#[test]
fn go_passes() {
    run("go");
}

#[test]
fn sh_passes() {
    run("sh");
}

/// The table of README.md has a row a profile. It is written anew with `KDN_TABLE=write`.
#[test]
fn every_profile_is_in_the_table() {
    let path = Path::new(CRATE).join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let (begin, end) = ("<!-- table -->\n", "<!-- end of table -->\n");
    let (before, rest) = readme.split_once(begin).expect("the beginning of the table");
    let (table, after) = rest.split_once(end).expect("the end of the table");
    if env::var("KDN_TABLE").is_ok_and(|value| value == "write") {
        let new = format!("{before}{begin}{}{end}{after}", rendered());
        fs::write(path, new).expect("README.md");
        return;
    }
    let rows: BTreeSet<&str> = table.lines().filter_map(|line| line.split('`').nth(1)).collect();
    let due: BTreeSet<&str> = Profile::ALL.map(Profile::name).into();
    assert_eq!(rows, due, "write the table anew: KDN_TABLE=write");
}

fn rendered() -> String {
    let all: Vec<Ran> = SUBJECTS.iter().map(|name| run(name).unwrap_or_default()).collect();
    let mut table = format!(
        "| profile | checks | {} |\n| --- | ---: |{}\n",
        SUBJECTS.join(" | "),
        " ---: |".repeat(SUBJECTS.len())
    );
    for profile in Profile::ALL {
        let checks = checks().filter(|check| check.profile() == profile).count();
        let cells = all.iter().map(|ran| match ran.get(&profile).copied().unwrap_or_default() {
            0 => " | ".to_owned(),
            count => format!(" | {count}"),
        });
        writeln!(table, "| `{profile}` | {checks}{} |", cells.collect::<String>()).expect("a text");
    }
    table
}
