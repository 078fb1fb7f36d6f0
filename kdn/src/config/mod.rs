//! The configuration of a workspace: read from four levels, checked, merged, and expanded for a driver.
//!
//! [`levels`] reads and merges the files, [`expand`] turns the result into what a driver is sent.

pub mod edit;
mod error;
pub mod expand;
pub mod file;
pub mod host;
pub mod levels;
pub mod localhost;
mod memory;
mod merge;
mod paths;
pub mod schema;
pub(crate) mod shape;
mod unknown;
mod validate;

pub use error::{Error, Level, Problem};
pub use expand::{ExpandError, Expanded, Places};
pub use file::WorkspaceConfig;
pub use levels::Loaded;
pub use memory::Memory;
pub use paths::Variable;
pub use unknown::Warning;
pub use validate::Invalid;
