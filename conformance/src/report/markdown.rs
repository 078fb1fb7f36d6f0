//! A report as Markdown, for the page of a CI job or a README.

use std::fmt::Write as _;

use kdn_protocol::visible;

use super::{
    human::{count, seconds, value},
    shown,
    tally::{Tally, by_profile, reasons},
};
use crate::{
    baseline::{Judged, Standing},
    outcome::Verdict,
};

pub(super) fn render(judged: &Judged) -> String {
    let report = judged.report;
    let tally = Tally::of(judged);
    let word = match judged.exit_code() {
        0 => "passed",
        2 => "could not be finished",
        3 => "has expectations that are out of date",
        _ => "failed",
    };
    let mut out = format!("### Conformance of {} {word}\n\n", text(&shown::driver(report)));
    let checks = count(tally.checks, "check");
    let version = report.protocol_version;
    let _ =
        writeln!(out, "Protocol {version}, {checks} in {}: {}.\n", seconds(report.elapsed), tally.sentence());
    table(&mut out, judged, tally);
    let timings: Vec<_> = report
        .timings
        .iter()
        .map(|timing| format!("{} {}", timing.name, value(timing.value, timing.unit)))
        .collect();
    if !timings.is_empty() {
        let _ = writeln!(out, "\nTimings: {}.", timings.join(", "));
    }
    for (verdict, standing) in judged.verdicts() {
        if !matches!(standing, Standing::Passed | Standing::Skipped) {
            details(&mut out, judged, verdict, standing);
        }
    }
    skipped(&mut out, judged);
    out
}

fn table(out: &mut String, judged: &Judged, total: Tally) {
    out.push_str("| profile | passed | failed | warned | expected to fail | skipped | broken |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    let mut row = |name: &str, tally: &Tally| {
        let Tally { passed, failed, warned, expected, skipped, broken, stale, expired, .. } = tally;
        let failed = failed + stale + expired;
        let _ =
            writeln!(out, "| {name} | {passed} | {failed} | {warned} | {expected} | {skipped} | {broken} |");
    };
    for (profile, tally) in by_profile(judged) {
        row(profile.name(), &tally);
    }
    row("**all**", &total);
}

fn details(out: &mut String, judged: &Judged, verdict: &Verdict, standing: Standing) {
    let word = match standing {
        Standing::Warned => "Warning",
        Standing::Expected(_) => "Expected failure",
        Standing::Stale(_) => "Stale expectation",
        Standing::Expired(_) => "Expired expectation",
        Standing::Broken => "Broken",
        _ => "Failure",
    };
    let check = verdict.check;
    // A line that begins with `<` and the like takes no Markdown, hence the empty lines.
    let _ = writeln!(
        out,
        "\n<details>\n<summary>{word}: <code>{}</code>: {}</summary>\n",
        html(check.id),
        html(check.title)
    );
    if let Some(expectation) = shown::expectation(judged, standing) {
        let _ = writeln!(out, "{}\n", text(&expectation));
    }
    if !matches!(standing, Standing::Stale(_)) {
        if standing != Standing::Broken {
            for sentence in check.sentences() {
                let _ = writeln!(out, "- **{}** {}", sentence.id, text(sentence.text));
            }
            out.push('\n');
        }
        block(out, &shown::seen(verdict));
        block(out, &shown::transcript(verdict).join("\n"));
        block(out, &shown::again(judged.report, verdict));
    }
    out.push_str("</details>\n");
}

fn block(out: &mut String, content: &str) {
    if !content.is_empty() {
        let _ = writeln!(out, "<pre>{}</pre>\n", html(content));
    }
}

fn skipped(out: &mut String, judged: &Judged) {
    let reasons = reasons(judged);
    if reasons.is_empty() {
        return;
    }
    out.push_str("\n<details>\n<summary>Skipped</summary>\n\n");
    for (why, checks) in reasons {
        let _ = writeln!(out, "- {}: {}", count(checks, "check"), text(&shown::cut(why, 200)));
    }
    out.push_str("\n</details>\n");
}

/// Text that Markdown takes as it is, on one line.
fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for c in visible::line(plain).chars() {
        match c {
            // Also in Markdown, as a browser reads what comes out of it.
            '<' | '>' | '&' => escaped.push_str(&html(c.encode_utf8(&mut [0; 4]))),
            // No need where they only stand between words.
            '.' | ',' | ':' | ';' | '-' | '\'' | '"' | '(' | ')' | '/' => escaped.push(c),
            c if c.is_ascii_punctuation() => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

fn html(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
