//! Goose.

use serde_json::json;

use super::entries;
use crate::config::file::Mcp;
use crate::{
    agents::{Agent, Error, Inside, Model, home::Home},
    document::Format::Yaml,
};

const CONFIG: &str = ".config/goose/config.yaml";

/// How long Goose waits for an MCP server, in seconds; its own default.
const TIMEOUT: u64 = 300;

pub(super) const AGENT: Agent = Agent {
    install: &[
        "script=$(curl -fsSL https://github.com/block/goose/releases/download/stable/download_cli.sh) && printf '%s\\n' \"$script\" | CONFIGURE=false bash",
    ],
    skills: Some(".agents/skills"),
    onboard: Some(onboard),
    model: Some(model),
    mcp: Some(mcp),
    ..Agent::new("goose", &["goose"])
};

fn onboard(home: &mut Home, _: &Inside<'_>) -> Result<(), Error> {
    home.edit(CONFIG, Yaml, |config| config.set_default(&["GOOSE_TELEMETRY_ENABLED"], false))
}

fn model(home: &mut Home, model: &Model<'_>) -> Result<(), Error> {
    let provider = model.provider_as(&[("gemini", "google")]).unwrap_or("openai");
    home.edit(CONFIG, Yaml, |config| {
        config.set(&["GOOSE_MODEL"], model.name)?;
        config.set(&["GOOSE_PROVIDER"], provider)?;
        // Newer versions look here first, once they have written the file themselves.
        if config.get(&["active_provider"]).is_some() {
            config.set(&["active_provider"], provider)?;
            config.set(&["providers", provider, "enabled"], true)?;
            config.set(&["providers", provider, "model"], model.name)?;
            config.set_default(&["providers", provider, "configured"], true)?;
        }
        match model.url {
            Some(url) => config.set(&["OPENAI_BASE_URL"], url),
            None => Ok(()),
        }
    })
}

fn mcp(home: &mut Home, mcp: &Mcp) -> Result<(), Error> {
    let extensions = entries(
        mcp,
        |it| {
            json!({
                "type": "stdio", "name": it.name, "enabled": true, "timeout": TIMEOUT,
                "cmd": it.command, "args": it.args, "envs": it.env,
            })
        },
        |it| {
            json!({
                "type": "streamable_http", "name": it.name, "enabled": true, "timeout": TIMEOUT,
                "uri": it.url, "headers": it.headers,
            })
        },
    );
    home.edit(CONFIG, Yaml, |config| {
        extensions.into_iter().try_for_each(|(name, extension)| config.set(&["extensions", name], extension))
    })
}
