//! What a driver needs: the trait that it implements, and the loop that serves it over stdin and stdout.
//!
//! ```no_run
#![doc = include_str!("../../examples/minimal.rs")]
//! ```

mod api;
mod connection;
mod context;
mod dispatch;
mod manual;
mod serve;
mod stdio;
mod step;
mod store;
mod wire;

pub use api::Driver;
pub use context::{Context, LogWriter};
pub use serve::serve;
pub use step::{Progress, StepReporter};
pub use store::{Store, make_private};
