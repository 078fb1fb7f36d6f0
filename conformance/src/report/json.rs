//! A report as one JSON document.
//!
//! Fields are added, and never changed or removed while `format` is the same. One without a value is left out.

use std::fmt::Write as _;

use kdn_protocol::visible;
use serde::Serialize;

use super::{shown, tally::Tally};
use crate::{
    baseline::{Judged, Standing},
    check::Profile,
    outcome::{Outcome, Verdict},
};

/// How many characters of a line of a transcript are kept.
const LINE: usize = 16_384;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    /// The version of this form: 1.
    format: u32,
    /// The version of the suite.
    suite: &'static str,
    driver: Driver<'a>,
    protocol_version: u32,
    profiles: &'a [Profile],
    quick: bool,
    strict: bool,
    /// A string, as it may be larger than what numbers hold exactly in other languages.
    seed: String,
    /// The command, without `--only`.
    command: &'a [String],
    /// With what the suite ends: 0 passed, 1 failed, 2 broken, 3 stale or expired expectations.
    exit_code: u8,
    elapsed_ms: f64,
    summary: Tally,
    timings: Vec<Timing>,
    /// In the order of the checks.
    checks: Vec<Check<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    r#type: &'a str,
    display_name: &'a str,
    version: &'a str,
    path: String,
    capabilities: &'a [String],
}

#[derive(Serialize)]
struct Timing {
    name: &'static str,
    value: f64,
    unit: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check<'a> {
    id: &'static str,
    profile: &'static str,
    title: &'static str,
    /// Whether a driver has to pass it; else it fails only with `--strict`.
    required: bool,
    covers: Vec<Sentence>,
    /// `passed`, `failed`, `warned`, `skipped` or `broken`, whatever is expected.
    outcome: &'static str,
    /// What was seen, or why the check was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    elapsed_ms: f64,
    /// The failure is expected, or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    expectation: Option<Expectation<'a>>,
    /// What went over the wire, where the check did not pass; a line longer than 16384 characters without its middle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transcript: Vec<std::borrow::Cow<'a, str>>,
    /// The command that runs the check again, for a POSIX shell, where it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    reproduce: Option<String>,
}

#[derive(Serialize)]
struct Sentence {
    id: &'static str,
    text: &'static str,
}

#[derive(Serialize)]
struct Expectation<'a> {
    /// `current`, `stale` or `expired`.
    state: &'static str,
    until: String,
    reason: &'a str,
    line: usize,
}

pub(super) fn render(judged: &Judged) -> String {
    let report = judged.report;
    let subject = &report.subject;
    let timing = |timing: &crate::outcome::Timing| Timing {
        name: timing.name,
        value: timing.value,
        unit: timing.unit,
    };
    let document = Document {
        format: 1,
        suite: env!("CARGO_PKG_VERSION"),
        driver: Driver {
            r#type: &subject.r#type,
            display_name: &subject.display_name,
            version: &subject.version,
            path: subject.path.to_string_lossy().into_owned(),
            capabilities: &subject.capabilities,
        },
        protocol_version: report.protocol_version,
        profiles: &report.profiles,
        quick: report.quick,
        strict: report.strict,
        seed: report.seed.to_string(),
        command: &report.command,
        exit_code: judged.exit_code(),
        elapsed_ms: milliseconds(report.elapsed),
        summary: Tally::of(judged),
        timings: report.timings.iter().map(timing).collect(),
        checks: judged.verdicts().map(|(verdict, standing)| check(judged, verdict, standing)).collect(),
    };
    escape(&serde_json::to_string_pretty(&document).expect("all keys are text"))
}

fn check<'a>(judged: &Judged, verdict: &'a Verdict, standing: Standing<'a>) -> Check<'a> {
    let (outcome, message) = match &verdict.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed(text) => ("failed", Some(text)),
        Outcome::Warned(text) => ("warned", Some(text)),
        Outcome::Skipped(text) => ("skipped", Some(text)),
        Outcome::Broken(text) => ("broken", Some(text)),
    };
    let wrong = matches!(outcome, "failed" | "warned" | "broken");
    let (state, entry) = match standing {
        Standing::Expected(entry) => ("current", Some(entry)),
        Standing::Stale(entry) => ("stale", Some(entry)),
        Standing::Expired(entry) => ("expired", Some(entry)),
        _ => ("", None),
    };
    let expectation = entry.map(|entry| Expectation {
        state,
        until: entry.until.to_string(),
        reason: &entry.reason,
        line: entry.line,
    });
    let transcript = verdict.transcript.iter().filter(|_| wrong).map(|line| shown::cut(line, LINE));
    let sentences = verdict.check.sentences();
    Check {
        id: verdict.check.id,
        profile: verdict.check.profile().name(),
        title: verdict.check.title,
        required: verdict.check.is_must(),
        covers: sentences.map(|sentence| Sentence { id: sentence.id, text: sentence.text }).collect(),
        outcome,
        message: message.map(String::as_str),
        elapsed_ms: milliseconds(verdict.elapsed),
        expectation,
        transcript: transcript.collect(),
        reproduce: wrong.then(|| shown::again(judged.report, verdict)),
    }
}

/// Exact to the microsecond.
fn milliseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Escapes what a terminal would act on. Line ends are those between values, as serde escapes the others.
fn escape(plain: &str) -> String {
    let mut json = String::with_capacity(plain.len() + 1);
    for c in plain.chars() {
        if visible::is_active(c) && c != '\n' {
            let _ = write!(json, "\\u{:04x}", u32::from(c));
        } else {
            json.push(c);
        }
    }
    json.push('\n');
    json
}
