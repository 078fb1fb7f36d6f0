//! All that kdn prints: results on stdout, everything else on stderr.

mod error;
pub mod json;
pub mod progress;
pub mod stream;
pub mod table;
pub mod text;
pub mod time;

pub use error::{Advice, CommandError, INTERRUPTED};
