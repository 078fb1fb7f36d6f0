//! What can go wrong with a driver, told with the driver's name, the method, what it said and how it ended.

use std::{fmt, path::PathBuf, process::ExitStatus, time::Duration};

use crate::Error;

/// A call to a driver that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The executable could not be started.
    #[error("runtime driver {driver:?} could not be started: {}: {source}", path.display())]
    Start {
        /// The driver's type.
        driver: String,
        /// Its executable.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The driver answered with an error; its text is the whole text.
    #[error("{error}")]
    Refused {
        /// The driver's type.
        driver: String,
        /// The method.
        method: &'static str,
        /// The driver's error.
        error: Box<Error>,
    },
    /// The connection ended before the answer came.
    #[error("runtime driver {driver:?} ended before it answered {method}: {ending}")]
    Ended {
        /// The driver's type.
        driver: String,
        /// The method.
        method: &'static str,
        /// How.
        ending: Box<Ending>,
    },
    /// No answer in time.
    #[error("runtime driver {driver:?} did not answer {method} within {} s{}", within.as_secs(), tail(stderr))]
    TimedOut {
        /// The driver's type.
        driver: String,
        /// The method.
        method: &'static str,
        /// How long the host waited.
        within: Duration,
        /// The last of what the driver printed on stderr.
        stderr: String,
    },
    /// The user interrupted a method that only reads.
    #[error("interrupted while runtime driver {driver:?} answered {method}")]
    Interrupted {
        /// The driver's type.
        driver: String,
        /// The method.
        method: &'static str,
    },
    /// The answer is not what the method returns.
    #[error("runtime driver {driver:?} gave a malformed answer to {method}: {reason}")]
    Malformed {
        /// The driver's type.
        driver: String,
        /// The method.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The request is larger than a frame.
    #[error("the request {method} to runtime driver {driver:?} is {size} bytes, more than a frame of {max}")]
    RequestTooLarge {
        /// The driver's type.
        driver: String,
        /// The method.
        method: &'static str,
        /// The size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The request can't be written as JSON.
    #[error("the request {method} to runtime driver {driver:?} can't be written: {source}")]
    Unwritable {
        /// The driver's type.
        driver: String,
        /// The method.
        method: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The driver says that it is another type, or speaks another version.
    #[error("runtime driver {driver:?} ({}) {reason}", path.display())]
    Mismatch {
        /// The driver's type by its file name.
        driver: String,
        /// Its executable.
        path: PathBuf,
        /// What it says.
        reason: String,
    },
}

impl HostError {
    /// The driver's own error, when it answered with one.
    pub fn refusal(&self) -> Option<&Error> {
        match self {
            Self::Refused { error, .. } => Some(error),
            _ => None,
        }
    }

    /// What the user can do, as far as the driver said.
    pub fn hints(&self) -> &[String] {
        self.refusal().map_or(&[], |error| &error.data.hints)
    }
}

/// How a connection ended.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Ending {
    /// What the driver did wrong on the wire. `None`: it closed its stdout.
    pub fault: Option<String>,
    /// How the process ended. `None`: the host could not tell.
    pub status: Option<ExitStatus>,
    /// Whether it was asked to exit, did not in the time for it, and had to be ended by a signal.
    pub forced: bool,
    /// How many lines on stdout were no messages.
    pub stray_lines: usize,
    /// The first of them.
    pub stray_sample: Option<String>,
    /// The last of what it printed on stderr.
    pub stderr: String,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault, self.status) {
            (Some(fault), _) => f.write_str(fault)?,
            (None, Some(status)) => write!(f, "{status}")?,
            (None, None) => f.write_str("it closed its stdout")?,
        }
        if let Some(sample) = &self.stray_sample {
            let plural = if self.stray_lines == 1 { "" } else { "s" };
            write!(f, "; {} stray line{plural} on stdout, the first: {sample:?}", self.stray_lines)?;
        }
        f.write_str(&tail(&self.stderr))
    }
}

/// The last lines of a driver's stderr, as the end of a sentence.
fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(10)..];
    if last.is_empty() { String::new() } else { format!("\nIts stderr ends with:\n  {}", last.join("\n  ")) }
}
