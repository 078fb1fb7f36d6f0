//! OpenCode.

use serde_json::json;

use super::entries;
use crate::config::{file::Mcp, localhost::Url};
use crate::{
    agents::{
        Agent, Error, Model,
        home::{Home, Settings},
    },
    document::Format::Jsonc,
};

const CONFIG: &str = ".config/opencode/opencode.json";

/// Providers that it knows how to talk to by itself.
const NATIVE: &[&str] = &["anthropic", "mistral", "google"];
const VERTEX: &str = "google-vertex-anthropic";
const OPENAI: &str = "openai";
/// Who speaks as the provider above does, and is another.
const CUSTOM: &str = "custom";

pub(super) const AGENT: Agent = Agent {
    install: &[
        "script=$(curl -fsSL https://opencode.ai/install) && printf '%s\\n' \"$script\" | bash",
        "mkdir -p ~/.local/bin && ln -sf ~/.opencode/bin/opencode ~/.local/bin/opencode",
    ],
    skills: Some(".opencode/skills"),
    model: Some(model),
    mcp: Some(mcp),
    ..Agent::new("opencode", &["opencode"])
};

fn model(home: &mut Home, model: &Model<'_>) -> Result<(), Error> {
    let named = model.provider_as(&[("gemini", "google"), ("vertexai", VERTEX)]);
    home.edit(CONFIG, Jsonc, |config| {
        let Some(named) = named else { return config.set(&["model"], model.id) };
        let url = model.url_or_usual();
        let place = url.as_deref().and_then(Url::split);
        let is_elsewhere = place.is_some_and(|url| !url.host.eq_ignore_ascii_case("api.openai.com"));
        let provider = if named == OPENAI && is_elsewhere { CUSTOM } else { named };
        config.set(&["model"], format!("{provider}/{}", model.name))?;
        if provider == OPENAI || (NATIVE.contains(&provider) && url.is_none()) {
            return Ok(());
        }
        let name = match place {
            Some(Url { host, port, .. }) if provider == CUSTOM => format!("{host}{port}"),
            _ => provider.to_owned(),
        };
        define(config, provider, &name, url.as_deref(), model.name)
    })
}

fn define(
    config: &mut Settings<'_>,
    provider: &str,
    name: &str,
    url: Option<&str>,
    model: &str,
) -> Result<(), Error> {
    let is_vertex = provider == VERTEX;
    if !is_vertex && !NATIVE.contains(&provider) {
        config.set(&["provider", provider, "name"], name)?;
        config.set(&["provider", provider, "npm"], "@ai-sdk/openai-compatible")?;
    }
    if let Some(url) = url {
        config.set(&["provider", provider, "options", "baseURL"], url)?;
    }
    let entry = if is_vertex { json!({}) } else { json!({"_launch": true, "name": model}) };
    config.set_default(&["provider", provider, "models", model], entry)
}

fn mcp(home: &mut Home, mcp: &Mcp) -> Result<(), Error> {
    let servers = entries(
        mcp,
        |it| {
            let command: Vec<&String> = std::iter::once(&it.command).chain(&it.args).collect();
            json!({"type": "local", "command": command, "environment": it.env, "enabled": true})
        },
        |it| json!({"type": "remote", "url": it.url, "headers": it.headers, "enabled": true}),
    );
    home.edit(CONFIG, Jsonc, |config| {
        servers.into_iter().try_for_each(|(name, server)| config.set(&["mcp", name], server))
    })
}
