//! Errors are those of the protocol, with what was being done in front.

use std::fmt::Display;
use std::io;

pub use kdn_protocol::{Error, ErrorKind};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was being done when something failed.
pub trait Doing<T> {
    fn doing(self, what: impl Display) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl Display) -> Result<T> {
        self.map_err(|error| {
            let kind = error.kind();
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
            let error = Error::internal(format!("{what}: {text}"));
            match kind {
                io::ErrorKind::StorageFull => error.hint("make room on the disk, and try again"),
                _ => error,
            }
        })
    }
}

impl<T> Doing<T> for Result<T> {
    fn doing(self, what: impl Display) -> Self {
        self.map_err(|mut error| {
            error.message = format!("{what}: {}", error.message);
            error
        })
    }
}
