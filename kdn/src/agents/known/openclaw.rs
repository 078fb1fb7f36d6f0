//! The agent `OpenClaw`.

use serde_json::json;

use super::entries;
use crate::config::file::Mcp;
use crate::{
    agents::{Agent, Error, Inside, Model, home::Home},
    document::Format::Json5,
};

const CONFIG: &str = ".openclaw/openclaw.json";

/// Starts the gateway that it talks to, unless that is there, and gives it a moment to answer.
const COMMAND: &str = "\
answers() { curl -s -o /dev/null http://127.0.0.1:18789/; }
if ! answers; then
  openclaw gateway run >/dev/null 2>&1 &
  tries=0
  while [ $tries -lt 30 ] && ! answers; do sleep 0.5; tries=$((tries + 1)); done
fi
exec openclaw";

pub(super) const AGENT: Agent = Agent {
    install: &[
        "script=$(curl -fsSL https://openclaw.ai/install-cli.sh) && printf '%s\\n' \"$script\" | bash",
        "mkdir -p ~/.local/bin && ln -sf ~/.openclaw/bin/openclaw ~/.local/bin/openclaw",
    ],
    skills: Some(".openclaw/skills"),
    ports: &[18789],
    environment: &[("NODE_NO_WARNINGS", "1")],
    onboard: Some(onboard),
    model: Some(model),
    mcp: Some(mcp),
    ..Agent::new("openclaw", &["sh", "-c", COMMAND])
};

fn onboard(home: &mut Home, _: &Inside<'_>) -> Result<(), Error> {
    home.edit(CONFIG, Json5, |config| {
        config.set(&["gateway", "auth"], json!({"mode": "token", "token": "openclaw123"}))?;
        config.set(&["gateway", "controlUi", "enabled"], true)?;
        config.set(&["gateway", "controlUi", "allowedOrigins"], json!(["*"]))?;
        config.set(&["gateway", "bind"], "lan")?;
        config.set(&["gateway", "mode"], "local")
    })
}

fn model(home: &mut Home, model: &Model<'_>) -> Result<(), Error> {
    let named = model.provider_as(&[("gemini", "google"), ("vertexai", "anthropic-vertex")]);
    let provider = named.or(model.url.map(|_| "local"));
    home.edit(CONFIG, Json5, |config| {
        let id = provider.map_or_else(|| model.id.to_owned(), |it| format!("{it}/{}", model.name));
        config.set(&["agents", "defaults", "model"], id)?;
        let (Some(provider), Some(url)) = (provider, model.url) else { return Ok(()) };
        let models = json!([{"id": model.name, "name": model.name}]);
        for (key, value) in [
            ("baseUrl", json!(url)),
            ("apiKey", json!("local-no-auth")),
            ("api", json!("openai-completions")),
            ("models", models),
        ] {
            config.set(&["models", "providers", provider, key], value)?;
        }
        Ok(())
    })
}

fn mcp(home: &mut Home, mcp: &Mcp) -> Result<(), Error> {
    let servers = entries(
        mcp,
        |it| json!({"command": it.command, "args": it.args, "env": it.env}),
        |it| {
            let mut server = json!({"transport": "streamable-http", "url": it.url});
            if !it.headers.is_empty() {
                server["headers"] = json!(it.headers);
            }
            server
        },
    );
    home.edit(CONFIG, Json5, |config| {
        servers.into_iter().try_for_each(|(name, server)| config.set(&["mcp", "servers", name], server))
    })
}
