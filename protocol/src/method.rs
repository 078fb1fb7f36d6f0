//! A method's name with the types of its params and of its result, so that they can't drift apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    DashboardParams, DashboardResult, FlagsResult, InfoParams, InitializeParams, InitializeResult, Instance,
    ListAgentsResult, ListParams, ListResult, Manifest, Plan, RemoveParams, Secret, StartParams, Status,
    StopParams, TerminalParams, Workspace,
};

/// A request of the protocol.
pub trait Method {
    /// The name on the wire.
    const NAME: &'static str;
    /// The params: always an object.
    type Params: Serialize + DeserializeOwned + Send + 'static;
    /// The result: always an object.
    type Result: Serialize + DeserializeOwned + Send + 'static;

    /// The values in the params that must not be shown. `None`: there are none.
    fn secrets(_: &Self::Params) -> Option<&BTreeMap<String, Secret<String>>> {
        None
    }
}

/// An object without fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Empty {}

/// The notification of a driver about a step of a running request ([`Step`](crate::Step)).
pub const STEP: &str = "$/step";
/// The notification of a driver with output of a backend command ([`Log`](crate::Log)).
pub const LOG: &str = "$/log";
/// The notification of a host that cancels a running request ([`CancelParams`](crate::CancelParams)).
pub const CANCEL_REQUEST: &str = "$/cancelRequest";

macro_rules! methods {
    ($($(#[doc = $doc:literal])* $name:ident $wire:literal ($params:ty $(, $secrets:ident)?) -> $result:ty;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl Method for $name {
                const NAME: &'static str = $wire;
                type Params = $params;
                type Result = $result;
                $(
                    fn secrets(params: &$params) -> Option<&BTreeMap<String, Secret<String>>> {
                        Some(&params.$secrets)
                    }
                )?
            }
        )*

        /// The names of all methods, in the order of the specification.
        pub const NAMES: &[&str] = &[$($wire),*];

        /// Calls `$callback!` with each method's name, params, result type and description.
        #[cfg(feature = "schema")]
        macro_rules! for_each_method {
            ($callback:ident) => { $($callback!($wire, $params, $result, concat!($($doc),*));)* };
        }
        #[cfg(feature = "schema")]
        pub(crate) use for_each_method;
    };
}

methods! {
    /// What the driver is; at any time, without side effects, without contact to a backend.
    Type "type" (Empty) -> Manifest;
    /// The options that `create` takes; as static as `type`.
    Flags "flags" (Empty) -> FlagsResult;
    /// Opens the session; once.
    Initialize "initialize" (InitializeParams) -> InitializeResult;
    /// Whether the backend is usable now.
    GetStatus "status" (Empty) -> Status;
    /// The agents that the driver can run.
    ListAgents "listAgents" (Empty) -> ListAgentsResult;
    /// Makes an instance and does not start it; atomic.
    Create "create" (Workspace) -> Instance;
    /// Starts an instance.
    Start "start" (StartParams, secret_values) -> Instance;
    /// Stops an instance; its processes are gone when the answer comes.
    Stop "stop" (StopParams) -> Instance;
    /// Removes a stopped instance and all that belongs to it.
    Remove "remove" (RemoveParams) -> Empty;
    /// The state of one instance, as it is now.
    Info "info" (InfoParams) -> Instance;
    /// The states of the instances of this driver and this storage folder, as they are now.
    List "list" (ListParams) -> ListResult;
    /// How the host runs a command inside an instance.
    Terminal "terminal" (TerminalParams) -> Plan;
    /// Where the dashboard of an instance is.
    Dashboard "dashboard" (DashboardParams) -> DashboardResult;
    /// Ends the session.
    Shutdown "shutdown" (Empty) -> Empty;
}
