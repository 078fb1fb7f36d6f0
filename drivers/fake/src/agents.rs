//! The agents, and whether one is on this machine.

use std::path::{Path, PathBuf};

use kdn_protocol::{Agent, Error};

use crate::env;

/// The agents that can be asked for by name alone.
pub(crate) const KNOWN: &[&str] =
    &["claude", "codex", "cursor", "gemini", "goose", "openclaw", "opencode", "shell"];

/// Refuses an agent that is neither known, nor there, nor to be installed.
pub(crate) fn check(agent: &Agent, source: &Path) -> Result<(), Error> {
    let installs = !agent.command.is_empty() && !agent.install.is_empty();
    if KNOWN.contains(&agent.name.as_str()) || installs || is_there(agent, source) {
        return Ok(());
    }
    let message = format!("agent {:?} is not known, and has no command that is found", agent.name);
    Err(Error::invalid_workspace("agent.name", message)
        .hint(format!("take one of these agents: {}", KNOWN.join(", "))))
}

/// Whether the agent's command is found on this machine.
pub(crate) fn is_there(agent: &Agent, source: &Path) -> bool {
    agent.command.first().is_some_and(|command| find(command, source).is_some())
}

/// The absolute path of an executable; `./x` is relative to `cwd`.
fn find(name: &str, cwd: &Path) -> Option<PathBuf> {
    which::which_in(name, env::path(), cwd).ok().filter(|program| program.is_absolute())
}
