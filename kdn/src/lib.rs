//! Launches and manages AI agents in isolated workspaces.

pub mod env;
pub mod files;
pub mod model;
pub mod output;
pub mod process;
pub mod project;
pub mod workspaces;
