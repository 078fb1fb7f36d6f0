//! Says of any runtime driver, in any language, whether it is right.

pub mod baseline;
pub mod check;
mod cx;
pub mod outcome;
pub mod report;
