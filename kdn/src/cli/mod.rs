//! The command line.

#![expect(clippy::doc_markdown, reason = "doc comments of arguments are help texts")]

mod args;
mod driver_flags;
mod root;
mod run;
mod signals;
mod usage;

pub(crate) use args::{LogArgs, NameArg, OutputArg, ProgressArgs};
pub(crate) use driver_flags::DriverOptions;
pub(crate) use root::{Cli, Command, RuntimeCommand};
pub use run::main;
pub(crate) use usage::USAGE;
