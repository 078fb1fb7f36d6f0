//! The forms that a report can take.

use clap::ValueEnum;

use super::{human, json, junit, markdown, tap};
use crate::baseline::Judged;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Human,
    /// One JSON document with everything that is known
    Json,
    /// JUnit XML, a suite for each profile
    Junit,
    /// Test Anything Protocol, version 14
    Tap,
    /// A summary for a web page, such as that of a CI job
    Markdown,
}

/// A whole report, without styles. [`human::line`] and [`human::end`] are for one that is shown while it comes about.
pub fn render(judged: &Judged, format: Format) -> String {
    match format {
        Format::Human => human::plain(judged),
        Format::Json => json::render(judged),
        Format::Junit => junit::render(judged),
        Format::Tap => tap::render(judged),
        Format::Markdown => markdown::render(judged),
    }
}
