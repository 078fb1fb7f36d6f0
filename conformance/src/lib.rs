//! Says of any runtime driver, in any language, whether it is right.

pub mod baseline;
pub mod check;
mod checks;
pub mod cli;
mod client;
mod cx;
mod env;
pub mod fixture;
mod glob;
pub mod harness;
mod host_ports;
mod http;
pub mod outcome;
mod plan;
mod probe;
mod processes;
mod programs;
pub mod report;
pub mod run;
mod schema;
mod stop;
mod wait;
mod watch;

pub use checks::all as checks;
