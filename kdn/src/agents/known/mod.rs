//! The agents, one a file, and the table of them.

mod claude;
mod codex;
mod cursor;
mod gemini;
mod goose;
mod openclaw;
mod opencode;
mod shell;

use super::Agent;
use crate::config::file::{Mcp, McpCommand, McpServer};

pub use shell::SHELL;

const AGENTS: &[&Agent] = &[
    &claude::AGENT,
    &codex::AGENT,
    &cursor::AGENT,
    &gemini::AGENT,
    &goose::AGENT,
    &openclaw::AGENT,
    &opencode::AGENT,
    &shell::AGENT,
];

/// An agent by its name.
pub fn find(name: &str) -> Option<&'static Agent> {
    AGENTS.iter().find(|agent| agent.name == name).copied()
}

/// The names of all agents, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    AGENTS.iter().map(|agent| agent.name)
}

/// The command of an agent; of one that kdn does not know, a program of its name.
pub fn command(name: &str) -> Vec<String> {
    match find(name) {
        Some(agent) => agent.command.iter().map(|&word| word.to_owned()).collect(),
        None => vec![name.to_owned()],
    }
}

/// Each MCP server by its name, in the form that an agent has for it.
fn entries<T>(
    mcp: &Mcp,
    command: impl Fn(&McpCommand) -> T,
    server: impl Fn(&McpServer) -> T,
) -> impl Iterator<Item = (&str, T)> {
    let commands = mcp.commands.iter().map(move |it| (it.name.as_str(), command(it)));
    commands.chain(mcp.servers.iter().map(move |it| (it.name.as_str(), server(it))))
}

#[cfg(test)]
mod tests;
