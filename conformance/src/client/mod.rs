//! The suite's own end of the wire: raw lines, so that it can say wrong, torn and oversized things.

mod driver;
mod launch;
mod message;
mod pipes;
mod transcript;

pub(crate) use driver::{Driver, EXIT};
pub(crate) use launch::Launch;
pub(crate) use message::{Fault, Reply};
pub(crate) use transcript::Transcript;
