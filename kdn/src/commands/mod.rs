//! What each command does: one verb a file.

#![expect(clippy::doc_markdown, reason = "doc comments of arguments are help texts")]

mod change;
mod context;
mod features;
mod listing;
mod named;
mod page;
mod report;
mod request;
mod settings;
mod show;
mod value;

pub(crate) mod args;
pub(crate) mod autoconf;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod dashboard;
pub(crate) mod info;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod open;
pub(crate) mod provider;
pub(crate) mod remove;
pub(crate) mod runtime;
pub(crate) mod secret;
pub(crate) mod service;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod terminal;
pub(crate) mod version;
pub(crate) mod workspace;

pub(crate) use context::Context;
pub(crate) use report::Report;
pub(crate) use show::{IdResult, WorkspaceResult};
