//! `terminal` and `dashboard`: what the host can do with a running instance.

use std::net::IpAddr;

use kdn_protocol::{Forward, Plan, TerminalParams};

use super::{Found, Instances};
use crate::config;
use crate::engine::Status;
use crate::env;
use crate::error::{Error, ErrorKind, Result};
use crate::image::SOURCES;
use crate::role::ATTACH;

impl Instances {
    /// The URL of the web page that the agent of a running instance has.
    pub async fn dashboard(&self, id: &str) -> Result<String> {
        let found = self.find(id).await?;
        check_running(&found)?;
        let Found::Ours { facts, .. } = &found else { return Err(no_dashboard()) };
        let port = config::dashboard(&facts.agent);
        let forward = facts.forwards.iter().find(|forward| Some(forward.target) == port);
        let Forward { bind, port, .. } = forward.ok_or_else(no_dashboard)?;
        Ok(match bind {
            IpAddr::V6(bind) if !bind.is_unspecified() => format!("http://[{bind}]:{port}/"),
            IpAddr::V4(bind) if !bind.is_unspecified() => format!("http://{bind}:{port}/"),
            _ => format!("http://127.0.0.1:{port}/"),
        })
    }

    /// How the host runs a command inside a running instance.
    pub async fn terminal(&self, params: TerminalParams) -> Result<Plan> {
        let found = self.find(&params.id).await?;
        check_running(&found)?;
        let mut args = vec![ATTACH.to_owned(), params.id.clone(), "--interactive".to_owned()];
        args.extend(params.tty.then(|| "--tty".to_owned()));
        args.push(format!("--detach-keys={}", self.engine().table().detach_keys));
        args.push(format!("--workdir={SOURCES}"));
        args.extend(env::of_terminal().into_iter().map(|name| format!("--env={name}")));
        args.push(params.id);
        args.extend((self.engine().table().exec)(self.command(&found, params.command)?));
        Ok(Plan::own(args))
    }

    /// The agent's own command, where the user's configuration has another one than the host.
    fn command(&self, found: &Found, command: Vec<String>) -> Result<Vec<String>> {
        if let Found::Ours { facts, .. } = found
            && facts.command == command
            && let Some(own) = self.config().agent(&facts.agent)?
        {
            return Ok(own.terminal_command);
        }
        Ok(command)
    }
}

fn check_running(found: &Found) -> Result<()> {
    if found.container().status == Status::Running {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidState, "the workspace is not running").hint("start it first"))
}

fn no_dashboard() -> Error {
    Error::unsupported("this workspace has no dashboard")
}
