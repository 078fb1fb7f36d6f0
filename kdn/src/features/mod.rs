//! Dev container features: found, checked, unpacked and put in order, so that a driver only has to run them.
//!
//! What a registry sends is believed only once its digest fits, also when it comes from the cache. Nothing of it is
//! run here.

mod archive;
mod cache;
mod challenge;
mod client;
mod digest;
mod error;
mod local;
mod manifest;
mod metadata;
mod options;
mod order;
mod prepare;
mod reference;
mod source;
mod stage;
mod tally;

pub use error::{Error, Problem};
pub use prepare::{Prepared, Wanted, prepare};
