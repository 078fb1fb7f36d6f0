//! Failures that are expected for a while: which, until when, and why.
//!
//! The file has a line for each check, with its id, the last day on which it may fail, and the reason:
//!
//! ```text
//! # What we know of and work on.
//! core/crlf  2027-03-01  the reader splits at \n only
//! ```
//!
//! Empty lines, and lines that begin with `#`, are left out. Dates are days of UTC.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::outcome::{Outcome, Report, Verdict};

/// The failures that are expected.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    /// The file that they were read from.
    pub path: PathBuf,
    /// One for each check that may fail.
    pub entries: Vec<Entry>,
}

/// A check that is expected to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The id of the check.
    pub check: String,
    /// The last day on which it may fail.
    pub until: Date,
    /// Why it fails.
    pub reason: String,
    /// The line of the file, from 1.
    pub line: usize,
}

/// Why a file of expected failures can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read.
    #[error("failed to read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line can't be understood.
    #[error("{}:{line}: {mistake}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        mistake: Mistake,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// There is no such check.
    #[error("unknown check {0:?}")]
    Unknown(String),
    /// An earlier line has the check already.
    #[error("check {check:?} is on line {first} already")]
    Twice {
        /// The id of the check.
        check: String,
        /// The earlier line.
        first: usize,
    },
    /// The second word is not a day.
    #[error("invalid date {0:?}")]
    Date(String),
    /// There is no second word.
    #[error("date is missing")]
    NoDate,
    /// There is nothing behind the date.
    #[error("reason is missing")]
    NoReason,
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Line { mistake: Mistake::Unknown(_), .. } => "'kdn-conformance list' shows the checks",
            Self::Line { mistake: Mistake::Twice { .. }, .. } => "Remove one of the two lines",
            Self::Line { .. } => "Write lines such as 'core/crlf 2027-03-01 the reader splits at \\n only'",
            Self::Read { .. } => "Give a file of expected failures with --expected-failures",
        }
    }
}

impl Baseline {
    /// Reads a file. `is_check` says of an id whether there is such a check.
    pub fn read(path: &Path, is_check: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let text =
            fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text, is_check)
    }

    /// Understands the text of a file.
    pub fn parse(path: &Path, text: &str, is_check: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let entry = Entry::parse(line, text).and_then(|entry| {
                let same = entries.iter().find(|other| other.check == entry.check);
                match same {
                    _ if !is_check(&entry.check) => Err(Mistake::Unknown(entry.check)),
                    Some(other) => Err(Mistake::Twice { check: entry.check, first: other.line }),
                    None => Ok(entry),
                }
            });
            let fault = |mistake| Error::Line { path: path.to_owned(), line, mistake };
            entries.push(entry.map_err(fault)?);
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    /// What a verdict counts as.
    pub fn standing(&self, verdict: &Verdict, strict: bool, today: Date) -> Standing<'_> {
        let entry = self.entries.iter().find(|entry| entry.check == verdict.check.id);
        let fails = match &verdict.outcome {
            Outcome::Skipped(_) => return Standing::Skipped,
            Outcome::Broken(_) => return Standing::Broken,
            // Such a check fails as soon as the run is strict, so its entry is not stale.
            Outcome::Warned(_) if !strict => return Standing::Warned,
            Outcome::Warned(_) | Outcome::Failed(_) => true,
            Outcome::Passed => false,
        };
        match (fails, entry) {
            (true, None) => Standing::Failed,
            (true, Some(entry)) if entry.until < today => Standing::Expired(entry),
            (true, Some(entry)) => Standing::Expected(entry),
            (false, None) => Standing::Passed,
            (false, Some(entry)) => Standing::Stale(entry),
        }
    }
}

impl Entry {
    fn parse(line: usize, text: &str) -> Result<Self, Mistake> {
        let (check, rest) = word(text);
        let (date, reason) = word(rest);
        if date.is_empty() {
            return Err(Mistake::NoDate);
        }
        let until = match date.len() {
            // The length, as digits may be left out otherwise.
            10 => Date::strptime("%Y-%m-%d", date).ok(),
            _ => None,
        };
        let until = until.ok_or_else(|| Mistake::Date(date.to_owned()))?;
        if reason.is_empty() {
            return Err(Mistake::NoReason);
        }
        Ok(Self { check: check.to_owned(), until, reason: reason.to_owned(), line })
    }
}

fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// Today, in UTC.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// What a verdict counts as, with the failures that are expected and `--strict` in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Right.
    Passed,
    /// Wrong.
    Failed,
    /// Not as it should be.
    Warned,
    /// Not run.
    Skipped,
    /// The suite itself could not go on.
    Broken,
    /// Wrong, as expected.
    Expected(&'a Entry),
    /// Right, though it is expected to be wrong: the entry is to be removed.
    Stale(&'a Entry),
    /// Wrong, and expected to be so no longer.
    Expired(&'a Entry),
}

impl Standing<'_> {
    /// Whether it keeps the run from passing.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Broken | Self::Stale(_) | Self::Expired(_))
    }
}

/// A run, seen with the failures that are expected.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    /// The run.
    pub report: &'a Report,
    /// The failures that are expected.
    pub baseline: &'a Baseline,
    /// What each verdict counts as, in the order of the verdicts.
    pub standings: Vec<Standing<'a>>,
}

impl<'a> Judged<'a> {
    /// Judges a run. An entry of a check that was not run says nothing.
    pub fn new(report: &'a Report, baseline: &'a Baseline, today: Date) -> Self {
        let standing = |verdict| baseline.standing(verdict, report.strict, today);
        Self { report, baseline, standings: report.verdicts.iter().map(standing).collect() }
    }

    /// Each verdict and what it counts as.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'a Verdict, Standing<'a>)> {
        self.report.verdicts.iter().zip(self.standings.iter().copied())
    }

    /// With what the run ends: 0 passed, 1 failed, 2 the suite could not go on, 3 an expected failure is stale or
    /// expired. 2 goes before 1, and 1 before 3.
    pub fn exit_code(&self) -> u8 {
        let any = |is: fn(&Standing) -> bool| self.standings.iter().any(is);
        if any(|standing| matches!(standing, Standing::Broken)) {
            2
        } else if any(|standing| matches!(standing, Standing::Failed)) {
            1
        } else if any(|standing| standing.is_bad()) {
            3
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{self, verdict};

    const PATH: &str = "expected.txt";

    fn parse(text: &str) -> Result<Baseline, Error> {
        Baseline::parse(Path::new(PATH), text, |id| id.starts_with("core/"))
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_is_a_check_a_day_and_a_reason() {
        let baseline = parse("# known\n\n core/crlf\t2027-03-01   see #12, \\n only \r\n").unwrap();
        let reason = "see #12, \\n only".to_owned();
        let entry = Entry { check: "core/crlf".to_owned(), until: day("2027-03-01"), reason, line: 3 };
        assert_eq!(baseline.entries, [entry]);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let mistake = |text| parse(text).unwrap_err().to_string();
        insta::assert_snapshot!([
            mistake("core/crlf 2027-03-01 x\n\ncore/crlf 2027-03-01 x"),
            mistake("cor/crlf 2027-03-01 x"),
            mistake("core/crlf"),
            mistake("core/crlf 2027-02-29 x"),
            mistake("core/crlf 2027-3-1 x"),
            mistake("core/crlf soon"),
            mistake("core/crlf 2027-03-01"),
        ].join("\n"), @r#"
        expected.txt:3: check "core/crlf" is on line 1 already
        expected.txt:1: unknown check "cor/crlf"
        expected.txt:1: date is missing
        expected.txt:1: invalid date "2027-02-29"
        expected.txt:1: invalid date "2027-3-1"
        expected.txt:1: invalid date "soon"
        expected.txt:1: reason is missing
        "#);
    }

    #[test]
    fn an_entry_holds_to_the_end_of_its_day_and_only_for_what_fails() {
        let baseline = parse("core/string-id 2027-03-01 later").unwrap();
        let entry = &baseline.entries[0];
        let failed = || Outcome::Failed("x".to_owned());
        let warned = || Outcome::Warned("x".to_owned());
        let table = [
            (failed(), false, "2027-03-01", Standing::Expected(entry), 0),
            (failed(), false, "2027-03-02", Standing::Expired(entry), 3),
            (Outcome::Passed, false, "2027-03-01", Standing::Stale(entry), 3),
            (Outcome::Passed, false, "2027-03-02", Standing::Stale(entry), 3),
            (warned(), false, "2027-03-02", Standing::Warned, 0),
            (warned(), true, "2027-03-01", Standing::Expected(entry), 0),
            (Outcome::Skipped("x".to_owned()), false, "2027-03-02", Standing::Skipped, 0),
            (Outcome::Broken("x".to_owned()), false, "2027-03-01", Standing::Broken, 2),
        ];
        for (outcome, strict, today, standing, exit_code) in table {
            let mut report = sample::report(vec![verdict("core/string-id", outcome)]);
            report.strict = strict;
            let judged = Judged::new(&report, &baseline, day(today));
            assert_eq!((judged.standings[0], judged.exit_code()), (standing, exit_code), "{report:?}");
        }
    }

    #[test]
    fn a_check_that_was_not_run_makes_no_entry_stale() {
        let baseline = parse("core/string-id 2020-01-01 later").unwrap();
        let report = sample::report(vec![verdict("core/crlf", Outcome::Passed)]);
        assert_eq!(Judged::new(&report, &baseline, day("2027-03-01")).exit_code(), 0);
    }

    #[test]
    fn what_broke_goes_before_what_failed_and_that_before_what_is_stale() {
        let baseline = parse("core/crlf 2027-03-01 later").unwrap();
        let mut verdicts = vec![
            verdict("core/crlf", Outcome::Passed),
            verdict("core/string-id", Outcome::Failed("x".to_owned())),
            verdict("core/blank-line", Outcome::Broken("x".to_owned())),
        ];
        for code in [2, 1, 3] {
            let report = sample::report(verdicts.clone());
            assert_eq!(Judged::new(&report, &baseline, day("2027-03-01")).exit_code(), code);
            verdicts.pop();
        }
    }
}
