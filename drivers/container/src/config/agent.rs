//! `<agent>.json`: what an agent needs in the image, and what starts it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The content of `<agent>.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Packages of the base image's distribution.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Shell lines that run as the agent's user while the image is built.
    #[serde(default)]
    pub run_commands: Vec<String>,
    /// The program that starts it and its arguments.
    #[serde(default)]
    pub terminal_command: Vec<String>,
    /// Variables that it wants, where the workspace does not set them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, String>,
}

/// What a file says at first.
struct Known {
    name: &'static str,
    packages: &'static [&'static str],
    run: &'static [&'static str],
    command: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// The port at which it has a web page.
    dashboard: Option<u16>,
}

impl Known {
    const fn new(
        name: &'static str,
        packages: &'static [&'static str],
        run: &'static [&'static str],
        command: &'static [&'static str],
    ) -> Self {
        Self { name, packages, run, command, environment: &[], dashboard: None }
    }
}

/// Starts the gateway that `OpenClaw` talks to, unless that is there, and gives it a moment to answer.
const OPENCLAW: &str = "\
answers() { curl -s -o /dev/null http://127.0.0.1:18789/; }
if ! answers; then
  openclaw gateway run >/dev/null 2>&1 &
  tries=0
  while [ $tries -lt 30 ] && ! answers; do sleep 0.5; tries=$((tries + 1)); done
fi
exec openclaw";

const AGENTS: &[Known] = &[
    Known::new(
        "claude",
        &[],
        &["curl -fsSL https://claude.ai/install.sh | bash", "mkdir -p ~/.config"],
        &["claude"],
    ),
    Known::new(
        "codex",
        &["nodejs", "npm"],
        &["npm install --global --prefix ~/.local @openai/codex"],
        &["codex"],
    ),
    Known::new("cursor", &[], &["curl -fsS https://cursor.com/install | bash"], &["agent"]),
    Known::new(
        "gemini",
        &["nodejs", "npm"],
        &["npm install --global --prefix ~/.local @google/gemini-cli"],
        &["gemini"],
    ),
    Known::new(
        "goose",
        &[],
        &[
            "curl -fsSL https://github.com/block/goose/releases/download/stable/download_cli.sh | CONFIGURE=false bash",
            "mkdir -p ~/.config/goose",
        ],
        &["goose"],
    ),
    Known {
        environment: &[("NODE_NO_WARNINGS", "1")],
        dashboard: Some(18789),
        ..Known::new(
            "openclaw",
            &[],
            &[
                "curl -fsSL https://openclaw.ai/install-cli.sh | bash",
                "mkdir -p ~/.local/bin && ln -sf ~/.openclaw/bin/openclaw ~/.local/bin/openclaw",
            ],
            &["sh", "-c", OPENCLAW],
        )
    },
    Known::new(
        "opencode",
        &[],
        &[
            "curl -fsSL https://opencode.ai/install | bash",
            "mkdir -p ~/.local/bin ~/.config/opencode && ln -sf ~/.opencode/bin/opencode ~/.local/bin/opencode",
        ],
        &["opencode"],
    ),
    Known::new("shell", &[], &[], &["/bin/sh"]),
];

/// The names of the agents that are known here, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    AGENTS.iter().map(|agent| agent.name)
}

/// The port at which an agent has a web page, if it has one.
pub fn dashboard(name: &str) -> Option<u16> {
    AGENTS.iter().find(|agent| agent.name == name)?.dashboard
}

/// Whether a name can be that of a file.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(format!(
        "invalid configuration: agent name must contain only alphanumeric characters or underscores: {name}"
    ))
}

impl Agent {
    /// What is known of an agent here: nothing of most.
    pub fn known(name: &str) -> Self {
        let Some(known) = AGENTS.iter().find(|agent| agent.name == name) else { return Self::default() };
        let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            packages: own(known.packages),
            run_commands: own(known.run),
            terminal_command: own(known.command),
            env_vars: known.environment.iter().map(pair).collect(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.terminal_command.iter().all(String::is_empty) {
            return Err("terminal command must have at least one non-empty element".into());
        }
        if let Some(name) = self.env_vars.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(format!("environment variable name is not usable: {name:?}"));
        }
        Ok(())
    }
}
