//! The executable, as its users meet it.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests start kdn, and set the scene for it")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

mod agents;
mod autoconf;
mod bad;
mod commands;
mod completion;
mod features;
mod help;
mod interrupt;
mod keychain;
mod open;
mod provider;
mod runtime;
mod schema;
mod secret;
mod session;
mod show;
mod state;
mod usage;
