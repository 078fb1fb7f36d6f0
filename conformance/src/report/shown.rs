//! What all reports say of a verdict, made safe to show.

use std::borrow::Cow;

use kdn_protocol::visible;

use crate::{
    baseline::{Judged, Standing},
    outcome::{Outcome, Report, Verdict},
};

/// How many lines of a transcript are shown.
const LINES: usize = 40;
/// How many characters of a line are shown.
const WIDTH: usize = 320;
/// How many characters of what was seen are shown.
const SEEN: usize = 4000;

/// What was seen, or why nothing could be; of several lines.
pub(super) fn seen(verdict: &Verdict) -> String {
    let text = match &verdict.outcome {
        Outcome::Passed => "",
        Outcome::Failed(text) | Outcome::Warned(text) | Outcome::Skipped(text) | Outcome::Broken(text) => {
            text
        }
    };
    visible::lines(cut(text.trim_end(), SEEN).trim_end()).into_owned()
}

/// The same on one line.
pub(super) fn seen_line(verdict: &Verdict) -> String {
    visible::line(&seen(verdict)).into_owned()
}

/// How a verdict stands to the failures that are expected, where it is one of them.
pub(super) fn expectation(judged: &Judged, standing: Standing) -> Option<String> {
    let (entry, before, expects) = match standing {
        Standing::Expected(entry) => (entry, "", "expects"),
        Standing::Stale(entry) => (entry, "it passes, but ", "expects"),
        Standing::Expired(entry) => (entry, "", "expected"),
        _ => return None,
    };
    let place = format!("{}:{}", judged.baseline.path.display(), entry.line);
    let text = format!("{before}{place} {expects} a failure until {}: {}", entry.until, entry.reason);
    Some(visible::line(&text).into_owned())
}

/// What went over the wire: the end of it, without what makes lines long. The first line tells what was left out.
pub(super) fn transcript(verdict: &Verdict) -> Vec<String> {
    let left_out = verdict.transcript.len().saturating_sub(LINES);
    let note = match left_out {
        0 => None,
        1 => Some("... 1 earlier line left out".to_owned()),
        _ => Some(format!("... {left_out} earlier lines left out")),
    };
    let lines = verdict.transcript[left_out..].iter();
    note.into_iter().chain(lines.map(|line| visible::line(&cut(line, WIDTH)).into_owned())).collect()
}

/// A text without its middle, where it has more characters than `limit`.
pub(super) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let count = text.chars().count();
    if count <= limit {
        return Cow::Borrowed(text);
    }
    let place = |nth| text.char_indices().nth(nth).map_or(text.len(), |(at, _)| at);
    let (head, tail) = (&text[..place(limit * 2 / 3)], &text[place(count - limit / 3)..]);
    let gone = count - head.chars().count() - tail.chars().count();
    Cow::Owned(format!("{head} [... {gone} characters left out ...] {tail}"))
}

/// The command that runs a check again, for a POSIX shell.
pub(super) fn again(report: &Report, verdict: &Verdict) -> String {
    let mut words: Vec<&str> = report.command.iter().map(String::as_str).collect();
    words.extend(["--only", verdict.check.id]);
    let seed = report.seed.to_string();
    if !words.iter().any(|word| *word == "--seed" || word.starts_with("--seed=")) {
        words.extend(["--seed", &seed]);
    }
    let words: Vec<_> = words.into_iter().map(quote).collect();
    visible::line(&words.join(" ")).into_owned()
}

fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// The driver: `podman 1.2.3 (Podman)`.
pub(super) fn driver(report: &Report) -> String {
    let subject = &report.subject;
    let mut text = subject.r#type.clone();
    if !subject.version.is_empty() {
        text = format!("{text} {}", subject.version);
    }
    if !subject.display_name.is_empty() {
        text = format!("{text} ({})", subject.display_name);
    }
    visible::line(&cut(&text, WIDTH)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_long_text_loses_its_middle() {
        assert_eq!(cut("häßlich", 7), "häßlich");
        assert_eq!(cut("0123456789é", 6), "0123 [... 5 characters left out ...] 9é");
    }

    #[test]
    fn of_a_transcript_the_end_is_shown() {
        let mut verdict = sample::verdict("core/crlf", Outcome::Passed);
        verdict.transcript = (0..LINES).map(|n| format!("-> {n}")).collect();
        assert_eq!(transcript(&verdict), verdict.transcript);
        verdict.transcript.push(format!("<- \u{1b}{}", "x".repeat(WIDTH)));
        let shown = transcript(&verdict);
        assert_eq!(shown[..2], ["... 1 earlier line left out", "-> 1"]);
        assert!(
            shown[LINES].starts_with(r"<- \u{1b}xxx")
                && shown[LINES].contains("[... 5 characters left out ...]")
        );
    }

    #[test]
    fn the_command_is_one_that_a_shell_reads_back() {
        let mut report = sample::report(vec![sample::verdict("core/crlf", Outcome::Passed)]);
        report.command = ["kdn-conformance", "run", "/tmp/it's mine/$x", ""].map(str::to_owned).to_vec();
        let line = again(&report, &report.verdicts[0]);
        assert_eq!(line, r"kdn-conformance run '/tmp/it'\''s mine/$x' '' --only core/crlf --seed 42");
        report.command = vec!["kdn-conformance".to_owned(), "--seed=7".to_owned()];
        assert_eq!(again(&report, &report.verdicts[0]), "kdn-conformance --seed=7 --only core/crlf");
    }
}
