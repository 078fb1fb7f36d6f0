//! What a driver implements.

use crate::{
    Capabilities, Error, Flag, InitializeParams, Instance, ListAgentsResult, ListParams, ListResult,
    Manifest, Plan, RemoveParams, StartParams, Status, StopParams, TerminalParams, Workspace,
};

use super::Context;

type Result<T> = std::result::Result<T, Error>;

/// A driver: a value that exists from `initialize` to the end of the session.
///
/// [`serve`](super::serve) has done before it calls: methods before `initialize` and methods that
/// [`capabilities`](Self::capabilities) does not offer are refused; a workspace does not reach `create` when it is
/// [not valid](Workspace::validate), [needs](Workspace::check_needs) what is not offered, has other
/// [options](Workspace::check_options) than the flags, or names [paths](Workspace::check_host_paths) that are not there.
///
/// Requests run side by side on one thread: what blocks for long belongs into `tokio::task::spawn_blocking`.
pub trait Driver: Send + Sync + Sized + 'static {
    /// What the driver is, and the most that it can do on any machine. Answers `type`; contacts nothing.
    fn manifest() -> Manifest;

    /// The options that `create` takes. Answers `flags`; contacts nothing.
    fn flags() -> Vec<Flag> {
        Vec::new()
    }

    /// Opens the driver for a host. The storage folder may not exist yet.
    fn open(params: InitializeParams) -> impl Future<Output = Result<Self>> + Send;

    /// What the driver can do on this machine.
    fn capabilities(&self) -> Capabilities {
        Self::manifest().capabilities
    }

    /// Makes an instance and does not start it; on an error or a cancellation nothing is left. A known
    /// `workspace_id` gets the instance that it has.
    fn create(
        &self,
        workspace: Workspace,
        context: &Context,
    ) -> impl Future<Output = Result<Instance>> + Send;

    /// Starts an instance; one that runs stays as it is.
    fn start(&self, params: StartParams, context: &Context) -> impl Future<Output = Result<Instance>> + Send;

    /// Stops an instance; its processes are gone on return. One that is stopped stays as it is.
    fn stop(&self, params: StopParams, context: &Context) -> impl Future<Output = Result<Instance>> + Send;

    /// Removes a stopped instance and all that belongs to it. An unknown one is removed already.
    fn remove(&self, params: RemoveParams, context: &Context) -> impl Future<Output = Result<()>> + Send;

    /// The state of one instance now.
    fn info(&self, id: String) -> impl Future<Output = Result<Instance>> + Send;

    /// The states of the instances in this storage folder now.
    fn list(&self, params: ListParams) -> impl Future<Output = Result<ListResult>> + Send;

    /// Whether the backend is usable now. Capability `status`.
    fn status(&self) -> impl Future<Output = Result<Status>> + Send {
        async { Err(Error::method_not_found("status")) }
    }

    /// The agents that can be run. Capability `agents`.
    fn list_agents(&self) -> impl Future<Output = Result<ListAgentsResult>> + Send {
        async { Err(Error::method_not_found("listAgents")) }
    }

    /// How the host runs a command inside an instance. Capability `terminal`.
    fn terminal(&self, params: TerminalParams) -> impl Future<Output = Result<Plan>> + Send {
        let _ = params;
        async { Err(Error::method_not_found("terminal")) }
    }

    /// The URL of an instance's dashboard. Capability `dashboard`.
    fn dashboard(&self, id: String) -> impl Future<Output = Result<String>> + Send {
        let _ = id;
        async { Err(Error::method_not_found("dashboard")) }
    }
}
