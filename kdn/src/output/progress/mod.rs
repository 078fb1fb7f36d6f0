//! Shows the steps of a long operation on stderr.
//!
//! A step is opened with what is being done, and closed with what has been done or with what went wrong.
//! [`Progress`] makes a well-formed sequence of the events that come in, and hands it to one of three ways to show it:
//! a spinner on a terminal, plain lines elsewhere, and JSON lines for programs.

mod event;
mod from;
mod json;
mod plain;
mod spinner;
mod steps;

pub use event::{Event, Stream, Update};
#[cfg(test)]
pub(crate) use json::Line;
pub use steps::{Mode, Progress};
