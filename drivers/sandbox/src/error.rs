//! Errors are those of the protocol: what fails in the supervisor or in PID 1 reaches the user as it is.

use std::fmt::Display;
use std::io;

pub use kdn_protocol::{Error, ErrorKind};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was being done when an operating system call failed.
pub trait Doing<T> {
    fn doing(self, what: impl Display) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T> {
        self.map_err(|error| {
            let error: io::Error = error.into();
            Error::internal(format!("{what}: {}", text(&error)))
        })
    }
}

/// The operating system's text, without Rust's "(os error 2)".
pub fn text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
