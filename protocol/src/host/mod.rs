//! What a host needs: start a driver, call it, end it. The host believes nothing that a driver says before it has
//! checked it, and no driver can make it wait without end.

mod call;
mod client;
mod connection;
mod deadline;
mod error;
mod group;
mod inbox;
mod inflight;
mod interrupt;
mod process;
mod redact;
mod session;
mod stderr;
mod stopwatch;

pub use deadline::Deadline;
pub use error::{Ending, HostError};
pub use inflight::Event;
pub use interrupt::{InterruptSender, Interrupts};
pub use process::{Launch, OutputSink};
pub use session::{Described, Observer, Session, describe, ignore_events};
pub use stopwatch::Stopwatch;
