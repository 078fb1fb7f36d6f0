//! Claude Code.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::entries;
use crate::config::file::Mcp;
use crate::{
    agents::{Agent, Error, Inside, Model, home::Home},
    document::Format::Json,
};

const STATE: &str = ".claude.json";

pub(super) const AGENT: Agent = Agent {
    install: &["script=$(curl -fsSL https://claude.ai/install.sh) && printf '%s\\n' \"$script\" | bash"],
    skills: Some(".claude/skills"),
    onboard: Some(onboard),
    model: Some(model),
    mcp: Some(mcp),
    ..Agent::new("claude", &["claude"])
};

fn onboard(home: &mut Home, inside: &Inside<'_>) -> Result<(), Error> {
    home.edit(STATE, Json, |state| {
        state.set(&["hasCompletedOnboarding"], true)?;
        state.set(&["projects", inside.sources, "hasTrustDialogAccepted"], true)?;
        if inside.approved_keys.is_empty() {
            return Ok(());
        }
        let approved = ["customApiKeyResponses", "approved"];
        let known = state.get(&approved);
        let known = known.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        let keys: BTreeSet<&str> = known.chain(inside.approved_keys.iter().copied()).collect();
        state.set(&approved, keys.into_iter().collect::<Value>())
    })
}

fn model(home: &mut Home, model: &Model<'_>) -> Result<(), Error> {
    home.edit(".claude/settings.json", Json, |settings| {
        settings.set(&["model"], model.name)?;
        match model.url {
            Some(url) => settings.set(&["env", "ANTHROPIC_BASE_URL"], url),
            None => Ok(()),
        }
    })
}

fn mcp(home: &mut Home, mcp: &Mcp) -> Result<(), Error> {
    let servers = entries(
        mcp,
        |it| json!({"type": "stdio", "command": it.command, "args": it.args, "env": it.env}),
        |it| {
            let mut server = json!({"type": "sse", "url": it.url});
            if !it.headers.is_empty() {
                server["headers"] = json!(it.headers);
            }
            server
        },
    );
    home.edit(STATE, Json, |state| {
        servers.into_iter().try_for_each(|(name, server)| state.set(&["mcpServers", name], server))
    })
}
