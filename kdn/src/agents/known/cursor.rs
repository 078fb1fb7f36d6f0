//! The command line of Cursor.

use serde_json::json;

use super::entries;
use crate::config::file::Mcp;
use crate::{
    agents::{Agent, Error, Inside, Model, home::Home},
    document::Format::Json,
};

pub(super) const AGENT: Agent = Agent {
    install: &["script=$(curl -fsSL https://cursor.com/install) && printf '%s\\n' \"$script\" | bash"],
    skills: Some(".cursor/skills"),
    onboard: Some(onboard),
    model: Some(model),
    mcp: Some(mcp),
    ..Agent::new("cursor", &["agent"])
};

fn onboard(home: &mut Home, inside: &Inside<'_>) -> Result<(), Error> {
    let project = inside.sources.replace('/', "-");
    let path = format!(".cursor/projects/{}/.workspace-trusted", project.trim_start_matches('-'));
    home.edit(&path, Json, |trust| {
        trust.set(&["trustedAt"], inside.now.to_string())?;
        trust.set(&["workspacePath"], inside.sources)
    })
}

fn model(home: &mut Home, model: &Model<'_>) -> Result<(), Error> {
    home.edit(".cursor/cli-config.json", Json, |config| {
        for key in ["modelId", "displayModelId", "displayName", "displayNameShort"] {
            config.set(&["model", key], model.name)?;
        }
        config.set(&["model", "maxMode"], false)?;
        config.set(&["hasChangedDefaultModel"], true)
    })
}

fn mcp(home: &mut Home, mcp: &Mcp) -> Result<(), Error> {
    let servers = entries(
        mcp,
        |it| json!({"command": it.command, "args": it.args, "env": it.env}),
        |it| json!({"url": it.url, "headers": it.headers}),
    );
    home.edit(".cursor/mcp.json", Json, |config| {
        servers.into_iter().try_for_each(|(name, server)| config.set(&["mcpServers", name], server))
    })
}
