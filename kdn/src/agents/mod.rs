//! The agents that kdn knows by name, and what each needs in its home before it can work.
//!
//! One agent is one file of `known`: what starts and installs it, and three functions that write its settings.
//! [`prepare`] runs them over the user's own files for the agent.

mod agent;
mod error;
mod folder;
mod home;
mod known;
mod prepare;

pub use agent::{Agent, Inside, Model};
pub use error::Error;
pub use known::{SHELL, command, find, names};
pub use prepare::{Prepared, Wanted, prepare};
