//! What is run inside a workspace for each agent that kdn knows by name.

/// What starts each known agent inside a workspace. `shell` is no agent but the user's own way in.
const COMMANDS: &[(&str, &[&str])] = &[
    ("claude", &["claude"]),
    ("codex", &["codex"]),
    ("cursor", &["agent"]),
    ("gemini", &["gemini"]),
    ("goose", &["goose"]),
    ("openclaw", &["openclaw"]),
    ("opencode", &["opencode"]),
    (SHELL, &["sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi"]),
];

/// The name under which a plain shell is an agent.
pub const SHELL: &str = "shell";

/// The command of an agent; of one that kdn does not know, a program of its name.
pub fn command(agent: &str) -> Vec<String> {
    let known = COMMANDS.iter().find(|(name, _)| *name == agent);
    known.map_or_else(
        || vec![agent.to_owned()],
        |(_, command)| command.iter().map(|&word| word.to_owned()).collect(),
    )
}
