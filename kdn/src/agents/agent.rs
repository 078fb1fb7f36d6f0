//! What kdn knows of an agent.

use jiff::Timestamp;

use super::{Error, home::Home};
use crate::{
    config::{file::Mcp, localhost},
    model::ModelId,
};

/// An agent: what runs it, and how its settings are written.
#[derive(Debug, Clone, Copy)]
pub struct Agent {
    /// Its name, as in `--agent`.
    pub name: &'static str,
    /// What starts it inside a workspace.
    pub command: &'static [&'static str],
    /// Lines for `/bin/sh -c` that install it for one user. What is fetched is run only when all of it came.
    pub install: &'static [&'static str],
    /// The folder of its home in which it looks for skills. `None`: it knows no skills.
    pub skills: Option<&'static str>,
    /// The ports of it that are of use on the host.
    pub ports: &'static [u16],
    /// Variables that it should have, unless the user sets them.
    pub environment: &'static [(&'static str, &'static str)],
    /// Answers its first questions, so that it begins to work at once.
    pub onboard: Option<Onboard>,
    /// Chooses its model. `None`: it has none.
    pub model: Option<SetModel>,
    /// Gives it MCP servers. `None`: it can't have any.
    pub mcp: Option<SetMcp>,
}

type Onboard = fn(&mut Home, &Inside<'_>) -> Result<(), Error>;
type SetModel = fn(&mut Home, &Model<'_>) -> Result<(), Error>;
type SetMcp = fn(&mut Home, &Mcp) -> Result<(), Error>;

impl Agent {
    /// One that needs nothing but to be started.
    pub const fn new(name: &'static str, command: &'static [&'static str]) -> Self {
        Self {
            name,
            command,
            install: &[],
            skills: None,
            ports: &[],
            environment: &[],
            onboard: None,
            model: None,
            mcp: None,
        }
    }
}

/// What an agent finds inside its workspace.
#[derive(Debug, Clone, Copy)]
pub struct Inside<'a> {
    /// The absolute path of the sources, as the agent sees it.
    pub sources: &'a str,
    /// Values that stand for API keys in its environment.
    pub approved_keys: &'a [&'a str],
    /// The time.
    pub now: Timestamp,
}

/// A model that the user has chosen.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// The id, as the user gave it.
    pub id: &'a str,
    /// Who serves it, where the user says so.
    pub provider: Option<&'a str>,
    /// Its own name.
    pub name: &'a str,
    /// Where it is served, as it is reached from inside.
    pub url: Option<&'a str>,
    /// The address of the host's machine, as it is reached from inside.
    pub host: &'a str,
}

impl<'a> Model<'a> {
    /// Takes an id apart; `url` is that of the id, or what takes its place inside.
    pub fn new(id: &'a str, url: Option<&'a str>, host: &'a str) -> Result<Self, Error> {
        let ModelId { provider, model: name, base_url: _ } = ModelId::parse(id);
        if name.is_empty() {
            return Err(Error::Model(id.to_owned()));
        }
        let given = |part: &&str| !part.is_empty();
        Ok(Self { id, provider: provider.filter(given), name, url: url.filter(given), host })
    }

    /// The provider by the name that an agent has for it.
    pub(super) fn provider_as(&self, names: &[(&str, &'static str)]) -> Option<&'a str> {
        let provider = self.provider?;
        Some(names.iter().find(|(ours, _)| *ours == provider).map_or(provider, |(_, theirs)| theirs))
    }

    /// Where it is served, also when that goes without saying: on the host, for what people run there.
    pub(super) fn url_or_usual(&self) -> Option<String> {
        let port = match (self.url, self.provider) {
            (Some(url), _) => return Some(url.to_owned()),
            (None, Some("ollama")) => 11434,
            (None, Some("ramalama")) => 8080,
            (None, _) => return None,
        };
        Some(localhost::rewrite(&format!("http://localhost:{port}/v1"), self.host))
    }
}
