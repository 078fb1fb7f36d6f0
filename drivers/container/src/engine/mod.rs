//! The engines: what differs between podman and docker, and how their programs are called.

mod ability;
mod container;
mod docker;
mod failure;
mod host;
mod podman;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kdn_protocol::driver::{Context, Progress};
use kdn_protocol::{
    Capabilities, Error, ErrorKind, LimitsCapability, NetworkMode, NetworkPolicyCapability, Supported,
};
use tokio::time::timeout;

use crate::env;
use crate::error::Result;
use crate::process::{self, Attached, Call, Ending, Output, Sink};
use crate::role::CUT_OFF;

pub use container::{Container, Status};
pub use docker::Docker;
pub use failure::says;
pub use host::{Bind, Host};
pub use podman::Podman;

/// How long an engine may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(9);

/// How often the host is told that work goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// What differs between the engines.
#[derive(Debug)]
pub struct Table {
    /// The program, and the type of the driver.
    pub name: &'static str,
    pub display: &'static str,
    pub description: &'static str,
    /// Further folders in which installers put the program.
    pub places: &'static [&'static str],
    /// What a workspace calls its host.
    pub host_address: &'static str,
    /// The flag of `kdn init` that names the base image.
    pub base_image_flag: &'static str,
    pub base_image_usage: &'static str,
    /// Whether it has a store of secrets that containers can use.
    pub secrets: bool,
    /// The network that new containers are on.
    pub network: &'static str,
    /// Prints the version of what does the work, in the first words that look like one.
    pub version: &'static [&'static str],
    /// The oldest version that will do.
    pub oldest: (u32, u32),
    /// Where to get it.
    pub install: &'static str,
    /// How `ps` prints containers so that `parse` can read them.
    pub format: &'static str,
    pub parse: fn(&str) -> serde_json::Result<Vec<Container>>,
    /// Arguments of `create` that are the engine's own, for a user with these ids inside.
    pub create: fn(&Host, (u32, u32)) -> Vec<String>,
    /// The keys that would leave a command running: none, or such as nobody types.
    pub detach_keys: &'static str,
    /// The command of `exec`.
    pub exec: fn(Vec<String>) -> Vec<String>,
    /// A mount, as arguments of `create`.
    pub mount: fn(&Bind<'_>) -> Result<[String; 2]>,
    /// How a build is ended that is not wanted any more.
    pub ends_build: fn() -> Ending,
    /// What the engine says when something is wrong with it, and not with what was asked.
    pub troubles: &'static [failure::Trouble],
}

/// An engine as a type, so that a driver is one of them.
pub trait Kind: Send + Sync + 'static {
    const TABLE: &'static Table;
}

/// An engine that can be called.
#[derive(Debug, Clone)]
pub struct Engine {
    table: &'static Table,
    host: Host,
    /// Where commands that change something are noted.
    note: Option<PathBuf>,
}

impl Engine {
    pub fn new(table: &'static Table) -> Self {
        Self { table, host: Host::look(table), note: None }
    }

    /// One on a machine that need not be this one.
    #[cfg(test)]
    #[cfg(target_os = "linux")]
    pub fn on(table: &'static Table, host: Host) -> Self {
        Self { table, host, note: None }
    }

    /// The same, with its changes noted in a file.
    #[must_use]
    pub fn noting(&self, path: &Path) -> Self {
        Self { note: Some(path.to_owned()), ..self.clone() }
    }

    pub const fn table(&self) -> &'static Table {
        self.table
    }

    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The absolute path of its program.
    pub fn program(&self) -> Result<PathBuf> {
        let found = which::which_in_global(self.table.name, env::path());
        let elsewhere = || self.table.places.iter().map(|place| PathBuf::from(place).join(self.table.name));
        let found = found.ok().and_then(|mut all| all.find(|program| program.is_absolute()));
        found.or_else(|| elsewhere().find(|program| program.is_file())).ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, format!("{} not found in PATH", self.table.name))
                .hint(format!("install {}: {}", self.table.display, self.table.install))
        })
    }

    /// What a question to the engine is answered with, on stdout. It is given up after a while.
    pub async fn ask<A: Into<String>>(
        &self,
        doing: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        let call = self.call(args)?;
        let args = call.args.clone();
        let Ok(output) = timeout(PATIENCE, process::run(call)).await else {
            let name = self.table.name;
            let message = format!("{name} did not answer within {} s", PATIENCE.as_secs());
            return Err(Error::new(ErrorKind::Unavailable, message).hint(format!(
                "see whether `{name} info` answers, and restart {} if not",
                self.table.display
            )));
        };
        self.judge(doing, args, self.started(output)?)
    }

    /// What a change is answered with, on stdout. It goes on to its end.
    pub async fn change<A: Into<String>>(
        &self,
        doing: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        self.feed(doing, args, Vec::new()).await
    }

    /// The same for a change that reads its stdin.
    pub async fn feed<A: Into<String>>(
        &self,
        doing: &str,
        args: impl IntoIterator<Item = A>,
        input: Vec<u8>,
    ) -> Result<String> {
        let call = Call { input, note: self.note.clone(), ..self.call(args)? };
        let args = call.args.clone();
        let output = self.started(process::run(call).await)?;
        self.judge(doing, args, output)
    }

    /// A change that comes to its `ending` when its request is cancelled, or this process is gone. Each line goes to `sink`.
    pub async fn work(
        &self,
        doing: &str,
        args: impl IntoIterator<Item = String>,
        ending: &Ending,
        context: &Context,
        sink: Sink<'_>,
    ) -> Result<String> {
        self.guarded(doing, self.call(args)?, ending, context, Some(sink)).await
    }

    /// The same for a pull, which keeps what it has got so far in `scratch`.
    pub async fn pull(
        &self,
        doing: &str,
        image: &str,
        scratch: &Path,
        context: &Context,
        sink: Sink<'_>,
    ) -> Result<String> {
        let call = Call { scratch: Some(scratch.to_owned()), ..self.call(["pull", image])? };
        self.guarded(doing, call, &Ending::AtOnce, context, Some(sink)).await
    }

    /// Runs a command that leaves processes on the host. When its request is cancelled, others `undo` it once it has ended: cut
    /// short, it would leave half a container.
    pub async fn launch(
        &self,
        doing: &str,
        args: [&str; 2],
        undo: &[&[&str]],
        context: &Context,
    ) -> Result<String> {
        let undo = undo.iter().map(|args| args.iter().map(|&arg| arg.to_owned()).collect());
        self.guarded(doing, self.call(args)?, &Ending::Undone(undo.collect()), context, None).await
    }

    async fn guarded(
        &self,
        doing: &str,
        call: Call,
        ending: &Ending,
        context: &Context,
        sink: Option<Sink<'_>>,
    ) -> Result<String> {
        context.check()?;
        let call = Call { note: self.note.clone(), ..call };
        let args = call.args.clone();
        let run = process::run_guarded(call, ending, context, sink);
        let output = self.started(keep_alive(context, run).await)?.ok_or_else(Error::cancelled)?;
        self.judge(doing, args, output)
    }

    fn call<A: Into<String>>(&self, args: impl IntoIterator<Item = A>) -> Result<Call> {
        let args = args.into_iter().map(Into::into).collect();
        Ok(Call { program: self.program()?, args, ..Call::default() })
    }

    fn started<T>(&self, output: std::io::Result<T>) -> Result<T> {
        output.map_err(|error| {
            let message = format!("{} can't be run: {error}", self.table.name);
            if error.kind() == std::io::ErrorKind::ArgumentListTooLong {
                return Error::invalid_workspace("environment", message).hint("make the environment smaller");
            }
            Error::new(ErrorKind::Unavailable, message)
                .hint(format!("install {}: {}", self.table.display, self.table.install))
        })
    }

    fn judge(&self, doing: &str, args: Vec<String>, output: Output) -> Result<String> {
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(failure::error(self.table, doing, args, output))
        }
    }

    /// The containers that a filter of `ps` lets through, in whatever state.
    pub async fn containers(&self, filters: &[String]) -> Result<Vec<Container>> {
        let args = ["ps", "--all", "--no-trunc", "--format", self.table.format];
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let printed = self.ask("failed to list containers", args.into_iter().chain(filters)).await?;
        (self.table.parse)(&printed).map_err(|error| {
            let message = format!(
                "failed to list containers: {} printed what is not understood: {error}",
                self.table.name
            );
            Error::internal(message)
        })
    }

    /// A command on this process's own stdin, stdout and stderr.
    pub async fn attach(&self, args: impl IntoIterator<Item = String>) -> Result<Attached> {
        self.started(process::attach(self.call(args)?).await)
    }

    /// Whether a container that is made ready can be cut off from its network before it runs.
    pub fn cuts_off(&self) -> bool {
        self.table.name == "podman" && cfg!(target_os = "linux")
    }

    /// The network namespace of a container that has been made ready.
    pub async fn namespace(&self, container: &str) -> Result<String> {
        let args = ["inspect", "--format", "{{.NetworkSettings.SandboxKey}}", container];
        Ok(self.ask("failed to deny the network", args).await?.trim().to_owned())
    }

    /// Cuts a network namespace off.
    pub async fn cut_off(&self, namespace: &str) -> Result<()> {
        let own = std::env::current_exe()?;
        let mut args = [CUT_OFF, namespace].map(str::to_owned).to_vec();
        let call = if self.host.rootless {
            args.splice(..0, ["unshare".to_owned(), own.to_string_lossy().into_owned()]);
            self.call(args.clone())?
        } else {
            Call { program: own, args: args.clone(), ..Call::default() }
        };
        let output = self.started(process::run(call).await)?;
        self.judge("failed to deny the network", args, output).map(drop)
    }
}

/// Tells the host now and then that long work goes on, of which the engine may say nothing for minutes.
pub async fn keep_alive<T>(context: &Context, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        match timeout(SIGN_OF_LIFE, &mut work).await {
            Ok(done) => return done,
            Err(_) => context.steps().update(Progress::default()),
        }
    }
}

/// What a driver of this engine offers.
pub fn capabilities(table: &Table, limits: bool) -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.status = Supported::YES;
    capabilities.agents = Supported::YES;
    capabilities.terminal = Supported::YES;
    capabilities.dashboard = Supported::YES;
    capabilities.cancellation = Supported::YES;
    capabilities.network_policy =
        Some(NetworkPolicyCapability::new([NetworkMode::Allow, NetworkMode::Deny], false));
    capabilities.ports = Supported::YES;
    capabilities.features = Supported::YES;
    capabilities.limits = limits.then(|| LimitsCapability::new(true, true, true));
    capabilities.runtime_secrets = table.secrets.then(Supported::default);
    capabilities.bind_mounts = Supported::YES;
    capabilities
}
