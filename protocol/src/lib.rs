//! The kdn runtime protocol: its messages, and both ends of the wire.
//!
//! The normative text is `SPEC.md`. Without features this crate holds only the types of the messages; feature
//! `driver` adds what a driver needs ([`driver::Driver`], [`driver::serve`]), feature `host` what starts and
//! calls one ([`host::Session`]), feature `text` the specification and the schemas as text.
#![deny(missing_docs)]

mod agent;
mod dashboard;
#[cfg(any(feature = "driver", feature = "host"))]
mod envelope;
mod error;
mod flags;
pub mod frame;
mod initialize;
mod lifecycle;
mod log;
mod manifest;
pub mod method;
mod secret;
mod state;
mod status;
mod step;
mod terminal;
#[cfg(feature = "text")]
pub mod text;
mod validate;
mod version;
pub mod visible;
mod workspace;

#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "schema")]
pub mod schema;

pub use agent::{AgentInfo, ListAgentsResult};
pub use dashboard::{DashboardParams, DashboardResult};
pub use error::{CommandFailure, Error, ErrorData, ErrorKind};
pub use flags::{Flag, FlagsResult};
pub use initialize::{FrameLimits, HostInfo, InitializeParams, InitializeResult};
pub use lifecycle::{InfoParams, ListParams, ListResult, RemoveParams, StartParams, StopParams};
pub use log::{Log, Stream};
pub use manifest::{Capabilities, LimitsCapability, Manifest, NetworkPolicyCapability, Supported};
pub use method::{Empty, Method};
pub use secret::Secret;
pub use state::{Forward, Instance, State};
pub use status::{Readiness, Status};
pub use step::{CancelParams, Step, StepEvent};
pub use terminal::{Plan, TerminalParams};
pub use version::{PROTOCOL_ENV, PROTOCOL_VERSION, PROTOCOL_VERSIONS};
pub use workspace::{
    Agent, EnvVar, Feature, FileEntry, Limits, Mount, Network, NetworkMode, Port, SecretSpec, Workspace,
};
