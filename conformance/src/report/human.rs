//! A report for people: a line for each check, then what went wrong, then a summary.
//!
//! The texts have styles, for a stream of `anstream`, which takes them out where they don't belong.

use std::{fmt::Write as _, time::Duration};

use anstyle::{AnsiColor, Style};
use kdn_protocol::visible;

use super::{shown, tally};
use crate::{
    baseline::{Judged, Standing},
    check::Profile,
    outcome::{Report, Verdict},
};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// What the run is of, before its first check.
pub fn head(report: &Report, checks: usize) -> String {
    let driver = paint(BOLD, &shown::driver(report));
    format!("Testing {driver}, protocol {}: {}\n", report.protocol_version, count(checks, "check"))
}

/// The line of a check.
pub fn line(verdict: &Verdict, standing: Standing) -> String {
    let id = verdict.check.id;
    let label = label(standing);
    if standing == Standing::Skipped {
        return format!("{label}             {id}  {}\n", paint(DIM, &shown::seen_line(verdict)));
    }
    format!("{label} [{:>8.3}s] {id}\n", verdict.elapsed.as_secs_f64())
}

fn label(standing: Standing) -> String {
    let (colour, word) = match standing {
        Standing::Passed => (AnsiColor::Green, "PASS"),
        Standing::Failed => (AnsiColor::Red, "FAIL"),
        Standing::Broken => (AnsiColor::Magenta, "BROKEN"),
        Standing::Stale(_) => (AnsiColor::Red, "STALE"),
        Standing::Expired(_) => (AnsiColor::Red, "EXPIRED"),
        Standing::Warned => (AnsiColor::Yellow, "WARN"),
        Standing::Expected(_) => (AnsiColor::Yellow, "XFAIL"),
        Standing::Skipped => return format!("{DIM}{:>8}{DIM:#}", "SKIP"),
    };
    paint(colour.on_default().bold(), &format!("{word:>8}"))
}

/// What is said after the last check: what went wrong, and the summary.
pub fn end(judged: &Judged) -> String {
    let mut out = String::new();
    // The worst comes last, where it is seen first.
    for (title, is) in SECTIONS {
        let chosen: Vec<_> = judged.verdicts().filter(|(_, standing)| is(standing)).collect();
        if chosen.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{}", paint(BOLD, title));
        for (verdict, standing) in chosen {
            out.push('\n');
            details(&mut out, judged, verdict, standing);
        }
    }
    summary(&mut out, judged);
    out
}

type Is = fn(&Standing) -> bool;

const SECTIONS: [(&str, Is); 5] = [
    ("Warnings", |standing| matches!(standing, Standing::Warned)),
    ("Expected failures", |standing| matches!(standing, Standing::Expected(_))),
    ("Expectations that hold no longer", |standing| matches!(standing, Standing::Stale(_))),
    ("Checks that the suite itself could not finish", |standing| matches!(standing, Standing::Broken)),
    ("Failures", |standing| matches!(standing, Standing::Failed | Standing::Expired(_))),
];

fn details(out: &mut String, judged: &Judged, verdict: &Verdict, standing: Standing) {
    let check = verdict.check;
    let _ = writeln!(out, "{} {}: {}", label(standing), paint(BOLD, check.id), check.title);
    if let Some(expectation) = shown::expectation(judged, standing) {
        item(out, "listed", [expectation]);
    }
    if matches!(standing, Standing::Expected(_) | Standing::Stale(_)) {
        return;
    }
    if standing != Standing::Broken {
        item(out, "breaks", check.sentences().map(|sentence| format!("{}: {}", sentence.id, sentence.text)));
    }
    item(out, "seen", shown::seen(verdict).lines().map(str::to_owned));
    if standing != Standing::Warned {
        item(out, "wire", shown::transcript(verdict).into_iter().map(|line| paint(DIM, &line)));
    }
    item(out, "again", [shown::again(judged.report, verdict)]);
}

/// Lines with a name before the first.
fn item(out: &mut String, name: &str, lines: impl IntoIterator<Item = String>) {
    let mut name = name;
    for line in lines {
        let _ = writeln!(out, "{}", format!("{:9}{name:<9}{line}", "").trim_end());
        name = "";
    }
}

fn summary(out: &mut String, judged: &Judged) {
    let report = judged.report;
    let _ = writeln!(out, "\n{}\n", paint(BOLD, "Summary"));
    let mut entry = |name: &str, lines: &[String]| {
        let mut name = name;
        for line in lines.iter().filter(|line| !line.is_empty()) {
            let _ = writeln!(out, "{}{line}", paint(DIM, &format!("{name:<14}")));
            name = "";
        }
    };
    let profiles = match report.profiles.len() {
        all if all == Profile::ALL.len() => "all".to_owned(),
        _ => report.profiles.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", "),
    };
    let quick = if report.quick { " (quick)" } else { "" };
    let capabilities = visible::line(&report.subject.capabilities.join(", ")).into_owned();
    let timings =
        report.timings.iter().map(|timing| format!("{} {}", timing.name, value(timing.value, timing.unit)));
    let skipped = tally::reasons(judged)
        .into_iter()
        .map(|(why, checks)| format!("{}: {}", count(checks, "check"), visible::line(&shown::cut(why, 200))));
    let path = visible::line(&report.subject.path.to_string_lossy()).into_owned();
    entry("driver", &[shown::driver(report), path]);
    entry("protocol", &[report.protocol_version.to_string()]);
    entry("profiles", &[profiles + quick]);
    entry("capabilities", &[capabilities]);
    entry("timings", &[timings.collect::<Vec<_>>().join(", ")]);
    entry("skipped", &skipped.collect::<Vec<_>>());
    entry("seed", &[report.seed.to_string()]);
    result(out, judged);
}

fn result(out: &mut String, judged: &Judged) {
    let tally = tally::Tally::of(judged);
    let (word, colour) = match judged.exit_code() {
        0 => ("Passed", AnsiColor::Green),
        2 => ("Could not finish", AnsiColor::Magenta),
        3 => ("Expected failures are out of date", AnsiColor::Red),
        _ => ("Failed", AnsiColor::Red),
    };
    let word = paint(colour.on_default().bold(), word);
    let checks = count(tally.checks, "check");
    let _ = writeln!(out, "\n{word}: {checks} in {}: {}", seconds(judged.report.elapsed), tally.sentence());
}

/// All of it, without styles.
pub(super) fn plain(judged: &Judged) -> String {
    let mut text = head(judged.report, judged.standings.len());
    text.extend(judged.verdicts().map(|(verdict, standing)| line(verdict, standing)));
    text += &end(judged);
    anstream::adapter::strip_str(&text).to_string()
}

pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

pub(super) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub(super) fn value(value: f64, unit: &str) -> String {
    let digits = usize::from(value.abs() < 100.0 && value.fract() != 0.0);
    format!("{value:.digits$} {unit}")
}
