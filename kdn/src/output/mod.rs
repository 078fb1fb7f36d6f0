//! All that kdn prints: results on stdout, everything else on stderr.

mod error;
pub mod json;
mod notes;
pub mod path;
pub mod progress;
pub mod prompt;
pub mod stream;
pub mod table;
pub mod time;

#[cfg(test)]
pub(crate) use error::Document;
pub use error::{Advice, CommandError, INTERRUPTED};
pub use kdn_protocol::visible as text;
pub use notes::Notes;
