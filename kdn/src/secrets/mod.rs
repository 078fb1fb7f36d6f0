//! Secrets: what kdn knows of them in a file, their values in the system's keychain, and what they are used for.

mod definition;
mod error;
mod file;
mod keychain;
mod list;
mod provider;
mod service;
mod store;
mod usage;
mod values;

pub use definition::Definition;
pub use error::{Error, Problem, Result};
pub use provider::{Param, Provider};
pub use service::{OTHER, SERVICES, Service, types};
pub use store::Secrets;
