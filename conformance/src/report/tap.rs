//! A report in the Test Anything Protocol, version 14.

use std::fmt::Write as _;

use super::{shown, tally::Tally};
use crate::{
    baseline::{Judged, Standing},
    outcome::Verdict,
};

pub(super) fn render(judged: &Judged) -> String {
    let report = judged.report;
    let mut out = format!("TAP version 14\n1..{}\n", judged.standings.len());
    let driver = shown::driver(report);
    let _ = writeln!(out, "# driver {driver}, protocol {}, seed {}", report.protocol_version, report.seed);
    for (number, (verdict, standing)) in (1..).zip(judged.verdicts()) {
        point(&mut out, judged, number, verdict, standing);
    }
    let _ = writeln!(out, "# {}", Tally::of(judged).sentence());
    out
}

fn point(out: &mut String, judged: &Judged, number: usize, verdict: &Verdict, standing: Standing) {
    let id = escape(verdict.check.id);
    let expectation = shown::expectation(judged, standing);
    let (ok, directive) = match standing {
        Standing::Passed | Standing::Warned => (true, String::new()),
        Standing::Skipped => (true, format!(" # SKIP {}", escape(&shown::seen_line(verdict)))),
        Standing::Expected(_) => {
            (false, format!(" # TODO {}", escape(expectation.as_deref().unwrap_or_default())))
        }
        Standing::Failed | Standing::Broken | Standing::Stale(_) | Standing::Expired(_) => {
            (false, String::new())
        }
    };
    let _ = writeln!(out, "{} {number} - {id}{directive}", if ok { "ok" } else { "not ok" });
    let severity = match standing {
        Standing::Passed | Standing::Skipped => return,
        Standing::Warned => "warning",
        Standing::Broken => "broken",
        Standing::Stale(_) => "stale",
        Standing::Expired(_) => "expired",
        Standing::Expected(_) => "expected",
        Standing::Failed => "fail",
    };
    diagnostics(out, judged, verdict, severity, expectation);
}

/// A block of YAML. Its texts are in the form of JSON strings, which is also one of YAML.
fn diagnostics(
    out: &mut String,
    judged: &Judged,
    verdict: &Verdict,
    severity: &str,
    expectation: Option<String>,
) {
    let text = |text: String| serde_json::Value::String(text).to_string();
    let _ = writeln!(out, "  ---\n  severity: {severity}");
    let _ = writeln!(out, "  title: {}", text(verdict.check.title.to_owned()));
    if let Some(expectation) = expectation {
        let _ = writeln!(out, "  expectation: {}", text(expectation));
    }
    if !matches!(severity, "stale") {
        let _ = writeln!(out, "  message: {}", text(shown::seen(verdict)));
        let sentences = verdict.check.sentences().map(|sentence| format!("{}: {}", sentence.id, sentence.text));
        let lists = [("breaks", sentences.collect()), ("transcript", shown::transcript(verdict))];
        for (name, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            let _ = writeln!(out, "  {name}:");
            for line in lines {
                let _ = writeln!(out, "    - {}", text(line));
            }
        }
        let _ = writeln!(out, "  reproduce: {}", text(shown::again(judged.report, verdict)));
    }
    out.push_str("  ...\n");
}

/// Outside the block, `#` begins a directive and `\` escapes it.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('#', r"\#")
}
