//! Codex.

use serde_json::json;

use super::entries;
use crate::config::file::Mcp;
use crate::{
    agents::{Agent, Error, Inside, Model, home::Home},
    document::Format::Toml,
};

const CONFIG: &str = ".codex/config.toml";

/// Providers that Codex brings along; it lets nobody define them anew.
const BUILT_IN: &[&str] = &["openai", "ollama", "lmstudio"];

pub(super) const AGENT: Agent = Agent {
    install: &["npm install --global --prefix ~/.local @openai/codex"],
    skills: Some(".agents/skills"),
    onboard: Some(onboard),
    model: Some(model),
    mcp: Some(mcp),
    ..Agent::new("codex", &["codex"])
};

fn onboard(home: &mut Home, inside: &Inside<'_>) -> Result<(), Error> {
    home.edit(CONFIG, Toml, |config| config.set(&["projects", inside.sources, "trust_level"], "trusted"))
}

fn model(home: &mut Home, model: &Model<'_>) -> Result<(), Error> {
    home.edit(CONFIG, Toml, |config| {
        config.set(&["model"], model.name)?;
        let Some(url) = model.url_or_usual() else {
            return model.provider.map_or(Ok(()), |provider| config.set(&["model_provider"], provider));
        };
        let name = model.provider.unwrap_or("custom");
        let id = if BUILT_IN.contains(&name) { format!("{name}-custom") } else { name.to_owned() };
        config.set(&["model_provider"], id.as_str())?;
        config.set(&["model_providers", &id, "name"], name)?;
        config.set(&["model_providers", &id, "base_url"], url)?;
        config.set_default(&["model_providers", &id, "wire_api"], "responses")
    })
}

fn mcp(home: &mut Home, mcp: &Mcp) -> Result<(), Error> {
    let servers = entries(
        mcp,
        |it| {
            let mut server = json!({"command": it.command, "args": it.args});
            if !it.env.is_empty() {
                server["env"] = json!(it.env);
            }
            server
        },
        |it| {
            let mut server = json!({"url": it.url});
            if !it.headers.is_empty() {
                server["http_headers"] = json!(it.headers);
            }
            server
        },
    );
    home.edit(CONFIG, Toml, |config| {
        servers.into_iter().try_for_each(|(name, server)| config.set(&["mcp_servers", name], server))
    })
}
