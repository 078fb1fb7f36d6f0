//! Runs AI agents in isolated workspaces.

pub mod agents;
pub mod cli;
mod commands;
pub mod config;
mod document;
pub mod env;
pub mod features;
pub mod files;
pub mod model;
pub mod output;
pub mod process;
pub mod project;
pub mod runtimes;
pub mod secrets;
pub mod workspaces;

/// The version of kdn.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
