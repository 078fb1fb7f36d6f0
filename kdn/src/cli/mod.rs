//! The command line.

#![expect(clippy::doc_markdown, reason = "doc comments of arguments are help texts")]

pub(crate) mod completion;
mod driver_flags;
mod help;
mod root;
mod run;
mod signals;
mod switches;
mod usage;

pub(crate) use root::{
    Cli, Command, ConfigCommand, ProviderCommand, RuntimeCommand, SecretCommand, ServiceCommand,
    WorkspaceCommand,
};
pub use run::main;
