//! Gemini CLI.

use serde_json::json;

use super::entries;
use crate::config::file::Mcp;
use crate::{
    agents::{Agent, Error, Inside, Model, home::Home},
    document::Format::{Json, Jsonc},
};

const SETTINGS: &str = ".gemini/settings.json";

pub(super) const AGENT: Agent = Agent {
    install: &["npm install --global --prefix ~/.local @google/gemini-cli"],
    skills: Some(".gemini/skills"),
    onboard: Some(onboard),
    model: Some(model),
    mcp: Some(mcp),
    ..Agent::new("gemini", &["gemini"])
};

fn onboard(home: &mut Home, inside: &Inside<'_>) -> Result<(), Error> {
    home.edit(".gemini/trustedFolders.json", Json, |folders| folders.set(&[inside.sources], "TRUST_FOLDER"))
}

fn model(home: &mut Home, model: &Model<'_>) -> Result<(), Error> {
    // It reads the URL from nowhere else.
    if let Some(url) = model.url {
        home.set_variable("GOOGLE_GEMINI_BASE_URL", url);
    }
    home.edit(SETTINGS, Jsonc, |settings| settings.set(&["model", "name"], model.name))
}

fn mcp(home: &mut Home, mcp: &Mcp) -> Result<(), Error> {
    let servers = entries(
        mcp,
        |it| json!({"command": it.command, "args": it.args, "env": it.env}),
        |it| json!({"httpUrl": it.url, "headers": it.headers}),
    );
    home.edit(SETTINGS, Jsonc, |settings| {
        servers.into_iter().try_for_each(|(name, server)| settings.set(&["mcpServers", name], server))
    })
}
