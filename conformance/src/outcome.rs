//! What came out of a run.

use std::{path::PathBuf, time::Duration};

use crate::check::{Check, Profile};

/// What came out of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The driver does it right.
    Passed,
    /// It breaks a sentence with MUST; what was seen.
    Failed(String),
    /// It breaks a sentence with SHOULD; what was seen.
    Warned(String),
    /// The check does not apply; why.
    Skipped(String),
    /// The suite itself could not go on; never the driver's fault.
    Broken(String),
}

/// A check and what came out of it.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The check.
    pub check: &'static Check,
    /// What came out.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
    /// What went over the wire, and what was done beside it, a line each, the earliest first. Text of the driver is
    /// made harmless when it is shown, not here.
    pub transcript: Vec<String>,
}

/// Something that was measured for information; it never fails a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// What was measured: `start to initialized`.
    pub name: &'static str,
    /// The value.
    pub value: f64,
    /// Its unit: `ms`, `KiB`.
    pub unit: &'static str,
}

/// The driver under test.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Its executable.
    pub path: PathBuf,
    /// The type, by its name.
    pub r#type: String,
    /// `displayName` of its manifest.
    pub display_name: String,
    /// `version` of its manifest.
    pub version: String,
    /// The capabilities that it declares, sorted.
    pub capabilities: Vec<String>,
}

/// A whole run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The driver.
    pub subject: Subject,
    /// The protocol version of the sessions.
    pub protocol_version: u32,
    /// The profiles that were asked for.
    pub profiles: Vec<Profile>,
    /// Whether checks that wait for deadlines were left out.
    pub quick: bool,
    /// Whether warnings count as failures.
    pub strict: bool,
    /// Where the random walk began.
    pub seed: u64,
    /// The command and its arguments that ran these checks, without `--only`, for lines that reproduce one.
    pub command: Vec<String>,
    /// What came out of each check, in the order of the checks.
    pub verdicts: Vec<Verdict>,
    /// What was measured.
    pub timings: Vec<Timing>,
    /// How long it took.
    pub elapsed: Duration,
}
