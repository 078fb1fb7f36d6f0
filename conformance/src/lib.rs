//! Says of any runtime driver, in any language, whether it is right.

pub mod check;
mod checks;
pub mod cli;
mod client;
mod cx;
mod env;
pub mod fixture;
mod glob;
pub mod outcome;
mod plan;
mod processes;
pub mod run;
mod schema;
mod stop;
mod watch;

pub use checks::all as checks;
