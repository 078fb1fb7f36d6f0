//! Reports are read by others' readers, whatever a driver says.

mod forms;
mod hostile;
mod readers;

use std::path::Path;

use jiff::civil::{Date, date};

use super::{Format, render, sample};
use crate::{
    baseline::{Baseline, Judged},
    outcome::Report,
};

const TODAY: Date = date(2027, 3, 1);

/// A file that expects one failure, one that is no longer there, and nothing else.
fn baseline() -> Baseline {
    let text = "ports/kept 2027-03-01 ports | are # late\ncore/crlf 2027-06-01 splits at \\n";
    Baseline::parse(Path::new("expected.txt"), text, |_| true).unwrap()
}

fn rendered(report: &Report, format: Format) -> String {
    render(&Judged::new(report, &baseline(), TODAY), format)
}

/// What everything that can happen looks like.
fn everything(format: Format) -> String {
    rendered(&sample::everything(), format)
}
