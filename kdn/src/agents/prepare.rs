//! From what the user wants of an agent to what its workspace begins with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kdn_protocol::{FileEntry, Mount};

use super::{Agent, Error, Inside, Model, folder, home::Home, known};
use crate::{
    config::{file::Mcp, localhost},
    model::ModelId,
    output::CommandError,
};

/// What the user wants of an agent, and what is known of the workspace.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The agent's name.
    pub agent: &'a str,
    /// Where kdn keeps its state, and the user's settings for agents.
    pub storage: &'a Path,
    /// The model's id.
    pub model: Option<&'a str>,
    /// MCP servers.
    pub mcp: &'a Mcp,
    /// Folders of skills: how the user wrote them, and where they are.
    pub skills: &'a [(&'a str, PathBuf)],
    /// The absolute path of the sources, as the agent sees it.
    pub sources: &'a str,
    /// The home inside, if folders of the host can be mounted in it.
    pub mounts_at: Option<&'a str>,
    /// The address of the host's machine, as it is reached from inside, if it is.
    pub host: Option<&'a str>,
    /// Values that stand for API keys in its environment.
    pub approved_keys: &'a [&'a str],
    /// The time.
    pub now: Timestamp,
}

/// What an agent's workspace begins with.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The files of its home.
    pub files: Vec<FileEntry>,
    /// Its skills, where they are mounted.
    pub mounts: Vec<Mount>,
    /// Variables for which the user has no value of his own.
    pub environment: Vec<(String, String)>,
}

/// Writes all settings of an agent. Of an agent that kdn does not know, there are but the user's files.
pub fn prepare(wanted: &Wanted<'_>) -> Result<Prepared, CommandError> {
    let doing = |what: &'static str| move |error| CommandError::from(error).context(what);
    let mut home =
        folder::settings(wanted.storage, wanted.agent).map_err(doing("failed to read agent settings"))?;
    let mut mounts = Vec::new();
    if let Some(agent) = known::find(wanted.agent) {
        for (name, value) in agent.environment {
            home.set_variable(name, value);
        }
        onboard(agent, &mut home, wanted).map_err(doing("failed to apply agent onboarding settings"))?;
        model(agent, &mut home, wanted).map_err(doing("failed to apply agent model settings"))?;
        mounts = skills(agent, &mut home, wanted)?;
        mcp(agent, &mut home, wanted).map_err(doing("failed to apply agent MCP server settings"))?;
    }
    let (files, environment) = home.into_parts();
    Ok(Prepared { files, mounts, environment })
}

fn onboard(agent: &Agent, home: &mut Home, wanted: &Wanted<'_>) -> Result<(), Error> {
    let Wanted { sources, approved_keys, now, .. } = *wanted;
    agent.onboard.map_or(Ok(()), |onboard| onboard(home, &Inside { sources, approved_keys, now }))
}

fn model(agent: &Agent, home: &mut Home, wanted: &Wanted<'_>) -> Result<(), Error> {
    let (Some(write), Some(id)) = (agent.model, wanted.model) else { return Ok(()) };
    // Without an address of its own for the host, a workspace either is on it or can't reach it.
    let host = wanted.host.unwrap_or("localhost");
    let url = ModelId::parse(id).base_url.map(|url| localhost::rewrite(url, host));
    write(home, &Model::new(id, url.as_deref(), host)?)
}

fn mcp(agent: &Agent, home: &mut Home, wanted: &Wanted<'_>) -> Result<(), Error> {
    let (Some(write), false) = (agent.mcp, *wanted.mcp == Mcp::default()) else { return Ok(()) };
    let mcp = wanted.mcp.clone();
    let mcp = match wanted.host {
        Some(host) => mcp.rewrite_localhost(host),
        None => mcp,
    };
    write(home, &mcp)
}

/// Each skill gets a folder of its own, which is mounted, or else copied.
fn skills(agent: &Agent, home: &mut Home, wanted: &Wanted<'_>) -> Result<Vec<Mount>, Error> {
    let Some(folder) = agent.skills else { return Ok(Vec::new()) };
    let mut mounts = Vec::new();
    let mut taken = BTreeMap::new();
    for (written, host) in wanted.skills {
        let name = host.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::NoSkillName((*written).to_owned()))?;
        let target = format!("{folder}/{name}");
        if let Some(first) = taken.insert(target.clone(), *written) {
            let (first, second) = (first.to_owned(), (*written).to_owned());
            return Err(Error::SameSkill { first, second, target: format!("$HOME/{target}") });
        }
        match wanted.mounts_at {
            Some(inside) => mounts.push(Mount::new(host, format!("{inside}/{target}"), true)),
            None => folder::add(home, host, &target, folder::SKILLS)?,
        }
    }
    Ok(mounts)
}
