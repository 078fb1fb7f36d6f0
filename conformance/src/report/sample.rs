//! Runs to make reports of.

use std::time::Duration;

use crate::{
    check::{Check, Profile},
    outcome::{Outcome, Report, Subject, Timing, Verdict},
};

static CHECKS: [Check; 6] = [
    Check::new("core/crlf", "a line that ends in CRLF is read", &["WIRE-05"], |_| Ok(())),
    Check::new("core/string-id", "a string is accepted as id", &["WIRE-21", "WIRE-20"], |_| Ok(())),
    Check::new("core/blank-line", "a blank line is ignored", &["WIRE-06"], |_| Ok(())),
    Check::new("core/stderr-text", "stderr is text in UTF-8", &["WIRE-18"], |_| Ok(())),
    Check::new("ports/listed", "ports are listed", &["WIRE-01"], |_| Ok(())),
    Check::new("ports/kept", "ports are kept", &["WIRE-01"], |_| Ok(())),
];

/// What came out of one of the checks above.
pub(crate) fn verdict(id: &str, outcome: Outcome) -> Verdict {
    let check = CHECKS.iter().find(|check| check.id == id).expect("a sample check");
    Verdict { check, outcome, elapsed: Duration::from_micros(12_345), transcript: Vec::new() }
}

/// A run with these verdicts.
pub(crate) fn report(verdicts: Vec<Verdict>) -> Report {
    Report {
        subject: Subject {
            path: "./kdn-runtime-fake".into(),
            r#type: "fake".to_owned(),
            display_name: "Fake".to_owned(),
            version: "0.1.0".to_owned(),
            capabilities: ["status", "terminal"].map(str::to_owned).to_vec(),
        },
        protocol_version: 1,
        profiles: vec![Profile::Core, Profile::Ports],
        quick: false,
        strict: false,
        seed: 42,
        command: ["kdn-conformance", "run", "./kdn-runtime-fake"].map(str::to_owned).to_vec(),
        verdicts,
        timings: vec![
            Timing { name: "start to initialized", value: 3.25, unit: "ms" },
            Timing { name: "memory", value: 2048.0, unit: "KiB" },
        ],
        elapsed: Duration::from_millis(3210),
    }
}

/// A run in which everything happens, with a driver that means no good.
pub(crate) fn everything() -> Report {
    let mut failed = verdict(
        "core/string-id",
        Outcome::Failed("expected a response with the id \"a\"\ngot \u{1b}[2J<b>|`x`]]> & #3".to_owned()),
    );
    failed.transcript =
        ["   started", "-> {\"id\":\"a\"}", "", "<- \u{202e}\u{9b}2J\r", "   stderr: \\ # ok 1"]
            .map(str::to_owned)
            .to_vec();
    report(vec![
        verdict("core/crlf", Outcome::Passed),
        failed,
        verdict("core/blank-line", Outcome::Broken("failed to create a folder: disk full".to_owned())),
        verdict("core/stderr-text", Outcome::Warned("stderr holds the bytes ff fe".to_owned())),
        verdict("ports/listed", Outcome::Skipped("\"ports\" is not declared # \\".to_owned())),
        verdict("ports/kept", Outcome::Failed("a port is gone".to_owned())),
    ])
}
