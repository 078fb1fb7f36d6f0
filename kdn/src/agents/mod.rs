//! The agents that kdn knows by name.

mod command;

pub use command::{SHELL, command};
