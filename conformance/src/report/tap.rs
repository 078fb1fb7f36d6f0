//! A report in the Test Anything Protocol, version 14.

use std::fmt::Write as _;

use kdn_protocol::visible;

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

fn diagnostics(
    out: &mut String,
    judged: &Judged,
    verdict: &Verdict,
    severity: &str,
    expectation: Option<String>,
) {
    let _ = writeln!(out, "  ---\n  severity: {severity}");
    block(out, "title", [verdict.check.title.to_owned()]);
    block(out, "expectation", expectation);
    if severity != "stale" {
        block(out, "message", shown::seen(verdict).lines().map(str::to_owned));
        let sentences = verdict.check.sentences();
        let breaks = sentences.filter(|_| severity != "broken");
        block(out, "breaks", breaks.map(|sentence| format!("{}: {}", sentence.id, sentence.text)));
        block(out, "transcript", shown::transcript(verdict));
        block(out, "reproduce", [shown::again(judged.report, verdict)]);
    }
    out.push_str("  ...\n");
}

/// Lines that YAML takes as they are. The first one must not begin with a space, and readers in use know no lines
/// without text.
fn block(out: &mut String, key: &str, lines: impl IntoIterator<Item = String>) {
    let mut lines = lines.into_iter().filter(|line| !line.trim().is_empty());
    if let Some(first) = lines.next() {
        let _ = writeln!(out, "  {key}: |\n    {}", visible::line(first.trim_start()));
        for line in lines {
            let _ = writeln!(out, "    {}", visible::line(&line));
        }
    }
}

/// Outside the block, `#` begins a directive and `\` escapes it.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('#', r"\#")
}
