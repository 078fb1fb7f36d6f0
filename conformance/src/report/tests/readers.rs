//! The forms for programs, read by programs that know nothing of this one.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use junit_parser::TestStatus;

use super::{Format, everything};

/// The tool, or nothing where it is missing and the test is to be skipped.
#[expect(clippy::disallowed_methods, reason = "tests may be told which tools there must be")]
fn skip_unless(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var("KDN_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name.trim() == tool), "{tool} is required: not found");
        eprintln!("skipped: {tool} not found");
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "the readers are programs")]
fn run(tool: PathBuf, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(tool);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn junit_is_read_by_a_reader_of_junit() {
    let suites = junit_parser::from_reader(everything(Format::Junit).as_bytes()).unwrap();
    assert_eq!((suites.tests, suites.failures, suites.errors, suites.skipped), (6, 2, 1, 2));
    let names: Vec<_> = suites.suites.iter().map(|suite| (suite.name.as_str(), suite.cases.len())).collect();
    assert_eq!(names, [("core", 4), ("ports", 2)]);
    let mut seen = String::new();
    for case in suites.suites.iter().flat_map(|suite| &suite.cases) {
        let (status, message) = match &case.status {
            TestStatus::Success => ("success", ""),
            TestStatus::Failure(failure) => ("failure", failure.message.as_str()),
            TestStatus::Error(error) => ("error", error.message.as_str()),
            TestStatus::Skipped(skipped) => ("skipped", skipped.message.as_str()),
        };
        let _ = writeln!(
            seen,
            "{} {} {status}: {message}",
            case.classname.as_deref().unwrap(),
            case.original_name
        );
    }
    insta::assert_snapshot!(seen, @r#"
    core core/crlf failure: it passes, but expected.txt:2 expects a failure until 2027-06-01: splits at \n
    core core/string-id failure: expected a response with the id "a"\ngot \u{1b}[2J<b>|`x`]]> & #3
    core core/blank-line error: failed to create a folder: disk full
    core core/stderr-text success: 
    ports ports/listed skipped: "ports" is not declared # \
    ports ports/kept skipped: expected.txt:1 expects a failure until 2027-03-01: ports | are # late
    "#);
}

#[test]
fn tap_is_read_by_a_reader_of_version_14() {
    let Some(tool) = skip_unless("tap-parser") else { return };
    let output = run(tool, &["--json=0", "--strict"], &everything(Format::Tap));
    let events: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let tests: Vec<_> = events.iter().filter(|event| event[0] == "assert").map(|event| &event[1]).collect();
    let mut seen = String::new();
    for test in &tests {
        let _ = writeln!(
            seen,
            "{} {} skip: {} todo: {} message: {}",
            test["ok"], test["name"], test["skip"], test["todo"], test["diag"]["message"]
        );
    }
    insta::assert_snapshot!(seen, @r#"
    false "core/crlf" skip: false todo: false message: null
    false "core/string-id" skip: false todo: false message: "expected a response with the id \"a\"\ngot \\u{1b}[2J<b>|`x`]]> & #3\n"
    false "core/blank-line" skip: false todo: false message: "failed to create a folder: disk full\n"
    true "core/stderr-text" skip: false todo: false message: "stderr holds the bytes ff fe\n"
    true "ports/listed" skip: "\"ports\" is not declared # \\" todo: false message: null
    false "ports/kept" skip: false todo: "expected.txt:1 expects a failure until 2027-03-01: ports | are # late" message: "a port is gone\n"
    "#);
    assert!(events.iter().all(|event| event[0] != "extra"), "{events:#?}");
}

/// The reader that comes with Perl knows version 13, which has the same form.
#[test]
fn tap_is_read_by_prove() {
    let Some(tool) = skip_unless("prove") else { return };
    let text = everything(Format::Tap).replacen("TAP version 14", "TAP version 13", 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.tap");
    let mut writer = std::fs::OpenOptions::new().create_new(true).write(true).open(&file).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    let output = run(tool, &["--exec", "cat", file.to_str().unwrap()], "");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Failed tests:  1-3\n") && !said.contains("Parse errors"), "{said}");
    assert!(said.contains("Tests=6,"), "{said}");
}
