//! Reports of a run, for people and for programs.

mod format;
pub mod human;
mod json;
mod junit;
pub mod live;
mod markdown;
mod shown;
mod tally;
mod tap;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use format::{Format, render};
