//! The Linux sandbox: a supervisor on the host, a confined PID 1 inside, and the driver that keeps them.
//!
//! `driver` answers kdn and writes what it decided into a [`plan::Plan`]. `supervisor` carries a plan out: it makes
//! the namespaces and outlives the driver. `init` is PID 1 inside: it builds the file tree, gives up every
//! privilege and then serves `exec`, the client that a terminal runs.
#![cfg(target_os = "linux")]

pub mod agents;
pub mod driver;
pub mod env;
pub mod error;
pub mod exec;
pub mod file;
pub mod init;
pub mod instances;
pub mod layout;
pub mod limits;
pub mod plan;
pub mod probe;
pub mod process;
pub mod run;
pub mod state;
pub mod supervisor;
pub mod sys;
pub mod wire;
