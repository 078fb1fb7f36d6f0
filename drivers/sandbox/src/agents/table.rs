//! The agents that are looked for, as data.

/// An agent: its name, its launchers in order of preference, and the folders that they resolve into.
pub(super) struct Agent {
    pub(super) name: &'static str,
    pub(super) launchers: &'static [&'static str],
    /// Relative to the user's home; `*` is any one name.
    pub(super) roots: &'static [&'static str],
}

pub(super) const AGENTS: &[Agent] = &[
    Agent { name: "claude", launchers: &["claude"], roots: &[".local/share/claude", ".claude/local"] },
    Agent { name: "goose", launchers: &["goose"], roots: &[".local/share/goose/bin"] },
    Agent {
        name: "cursor",
        launchers: &["agent", "cursor-agent"],
        roots: &[".local/share/cursor-agent", ".cursor/bin"],
    },
    Agent { name: "opencode", launchers: &["opencode"], roots: &[".opencode/bin"] },
    Agent { name: "openclaw", launchers: &["openclaw"], roots: &[".openclaw/bin", ".openclaw/lib"] },
    Agent { name: "codex", launchers: &["codex"], roots: &[".codex/bin"] },
    Agent { name: "gemini", launchers: &["gemini"], roots: &[] },
];

/// Where package managers put what they install, relative to the user's home or absolute.
pub(super) const PACKAGE_ROOTS: &[&str] = &[
    ".nvm/versions/node/*",
    ".local/share/fnm/node-versions/*",
    ".fnm/node-versions/*",
    ".volta/tools/image/*/*",
    ".asdf/installs/*/*",
    ".local/share/mise/installs/*/*",
    ".local/lib/node_modules",
    ".local/share/pnpm",
    ".local/share/uv/tools/*",
    ".local/share/uv/python/*",
    ".local/share/pipx/venvs/*",
    ".npm-global",
    ".npm-packages",
    ".bun/bin",
    ".bun/install/global",
    ".cargo/bin",
    "/home/linuxbrew/.linuxbrew",
];

/// Folders with launchers that a shell may know though `PATH` does not, relative to the user's home.
pub(super) const LAUNCHER_FOLDERS: &[&str] = &[
    ".local/bin",
    "bin",
    ".claude/local",
    ".opencode/bin",
    ".npm-global/bin",
    ".npm-packages/bin",
    ".bun/bin",
    ".local/share/pnpm",
    ".nvm/versions/node/*/bin",
];
