//! `terminal` and `dashboard`: what the host can do with a running instance.

use kdn_protocol::{Plan, TerminalParams};

use super::{Found, Instances};
use crate::engine::Status;
use crate::env;
use crate::error::{Error, ErrorKind, Result};
use crate::image::SOURCES;

impl Instances {
    /// How the host runs a command inside a running instance.
    pub async fn terminal(&self, params: TerminalParams) -> Result<Plan> {
        let found = self.find(&params.id).await?;
        if found.container().status != Status::Running {
            return Err(
                Error::new(ErrorKind::InvalidState, "the workspace is not running").hint("start it first")
            );
        }
        let program = self.engine().program()?.into_os_string().into_string();
        let program = program.map_err(|path| Error::internal(format!("{} is not UTF-8", path.display())))?;
        let mut args = vec!["exec".to_owned(), "--interactive".to_owned()];
        args.extend(params.tty.then(|| "--tty".to_owned()));
        args.push(format!("--workdir={SOURCES}"));
        args.extend(env::of_terminal().into_iter().map(|name| format!("--env={name}")));
        args.push(params.id);
        args.extend((self.engine().table().exec)(self.command(&found, params.command)?));
        Ok(Plan::program(program, args))
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
