//! The files of each agent, as they are without any of the user's, and with some.

#[cfg(unix)]
mod folder;
mod mcp;
mod model;

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::AGENTS;
use crate::{
    agents::{Prepared, Wanted, prepare},
    config::file::Mcp,
    files::{create_folder, write_atomic},
    output::CommandError,
};

const SOURCES: &str = "/workspace/sources";

/// An agent with these MCP servers and no more; the host is reached as `host.test`.
fn wanted<'a>(agent: &'a str, mcp: &'a Mcp, storage: &'a Path) -> Wanted<'a> {
    Wanted {
        agent,
        storage,
        model: None,
        mcp,
        skills: &[],
        sources: SOURCES,
        mounts_at: None,
        host: Some("host.test"),
        approved_keys: &[],
        now: Timestamp::UNIX_EPOCH,
    }
}

fn prepared(agent: &str, model: Option<&str>, mcp: &Mcp, storage: &Path) -> Result<Prepared, CommandError> {
    prepare(&Wanted { model, ..wanted(agent, mcp, storage) })
}

/// The text of each file after its path, where nothing is the user's.
fn files(agent: &str, model: Option<&str>, mcp: &Mcp) -> String {
    texts(prepared(agent, model, mcp, Path::new("/nowhere")).unwrap())
}

fn texts(prepared: Prepared) -> String {
    let text = |file: kdn_protocol::FileEntry| {
        let bytes = BASE64.decode(file.content_base64.unwrap_or_default().as_bytes()).unwrap();
        format!("--- {}\n{}", file.path, String::from_utf8(bytes).unwrap())
    };
    prepared.files.into_iter().map(text).collect()
}

fn mcp() -> Mcp {
    serde_json::from_value(json!({
        "commands": [
            {"name": "files", "command": "npx", "args": ["-y", "http://localhost:1/x"], "env": {"K": "v"}},
            {"name": "plain", "command": "mcp"},
        ],
        "servers": [
            {"name": "web", "url": "https://example.com/mcp", "headers": {"H": "v"}},
            {"name": "here", "url": "http://localhost:2/sse"},
        ],
    }))
    .unwrap()
}

#[test]
fn the_table_is_sorted_and_complete() {
    let names: Vec<_> = super::names().collect();
    assert_eq!(names, ["claude", "codex", "cursor", "gemini", "goose", "openclaw", "opencode", "shell"]);
    for agent in AGENTS.iter().filter(|agent| agent.name != super::SHELL) {
        assert!(agent.model.is_some() && agent.mcp.is_some() && agent.skills.is_some(), "{agent:?}");
        assert!(!agent.install.is_empty(), "{agent:?}");
    }
}

#[test]
fn shell_gets_nothing() {
    assert_eq!(files("shell", Some("m"), &mcp()), "");
}

/// A storage with these files of the user's, each after the name of its agent.
fn storage(files: &[(&str, &str)]) -> TempDir {
    let storage = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = storage.path().join("config").join(path);
        create_folder(path.parent().unwrap(), 0o700).unwrap();
        write_atomic(&path, text.as_bytes(), 0o600).unwrap();
    }
    storage
}

/// The files of agents that are given a model and an MCP server, in a storage with these files.
fn with_files(agents: &[&str], given: &[(&str, &str)]) -> String {
    let storage = storage(given);
    let mcp = serde_json::from_value(json!({"commands": [{"name": "c", "command": "npx"}]})).unwrap();
    let prepared = agents.iter().map(|agent| prepared(agent, Some("ollama::qwen3"), &mcp, storage.path()));
    prepared.map(|prepared| texts(prepared.unwrap())).collect()
}

#[test]
fn json_of_the_user_stays() {
    let files = with_files(
        &["claude", "openclaw", "opencode"],
        &[
            (
                "claude/.claude.json",
                r#"{"zoom": 1.0, "mcpServers": {"mine": {"command": "x"}}, "apples": null}"#,
            ),
            (
                "opencode/.config/opencode/opencode.json",
                "{\n  // mine\n  \"theme\": \"dark\",\n  \"provider\": {\"ollama\": {\"models\": {\"qwen3\": {\"x\": 1}}}},\n}\n",
            ),
            (
                "openclaw/.openclaw/openclaw.json",
                "{\n  // mine\n  gateway: { port: 1, bind: 'loopback' },\n}\n",
            ),
        ],
    );
    assert_snapshot!(files, @r#"
    --- .claude.json
    {
      "zoom": 1.0,
      "mcpServers": {
        "mine": {"command": "x"},
        "c": {
          "args": [],
          "command": "npx",
          "env": {},
          "type": "stdio"
        }
      },
      "apples": null,
      "hasCompletedOnboarding": true,
      "projects": {
        "/workspace/sources": {
          "hasTrustDialogAccepted": true
        }
      }
    }
    --- .claude/settings.json
    {
      "model": "qwen3"
    }
    --- .openclaw/openclaw.json
    {
      // mine
      gateway: {
        port: 1,
        bind: "lan",
        "auth": {
          "mode": "token",
          "token": "openclaw123"
        },
        "controlUi": {
          "enabled": true,
          "allowedOrigins": ["*"]
        },
        "mode": "local"
      },
      "agents": {
        "defaults": {
          "model": "ollama/qwen3"
        }
      },
      "mcp": {
        "servers": {
          "c": {
            "args": [],
            "command": "npx",
            "env": {}
          }
        }
      },
    }
    --- .config/opencode/opencode.json
    {
      // mine
      "theme": "dark",
      "provider": {"ollama": {
          "models": {"qwen3": {"x": 1}},
          "name": "ollama",
          "npm": "@ai-sdk/openai-compatible",
          "options": {
            "baseURL": "http://host.test:11434/v1"
          }
        }},
      "model": "ollama/qwen3",
      "mcp": {
        "c": {
          "command": ["npx"],
          "enabled": true,
          "environment": {},
          "type": "local"
        }
      },
    }
    "#);
}

#[test]
fn toml_and_yaml_of_the_user_stay() {
    let files = with_files(
        &["codex", "goose"],
        &[
            ("codex/.codex/config.toml", "# mine\nmodel = \"old\" # why\n\n[tui]\ntheme = \"dark\"\n"),
            (
                "goose/.config/goose/config.yaml",
                "# mine\nGOOSE_MODEL: old # why\nGOOSE_TELEMETRY_ENABLED: true\nactive_provider: anthropic\n\n\
                 # more\nextensions:\n  developer:\n    enabled: true\n",
            ),
        ],
    );
    assert_snapshot!(files, @r#"
    --- .codex/config.toml
    # mine
    model = "qwen3" # why
    model_provider = "ollama-custom"

    [tui]
    theme = "dark"

    [projects."/workspace/sources"]
    trust_level = "trusted"

    [model_providers.ollama-custom]
    name = "ollama"
    base_url = "http://host.test:11434/v1"
    wire_api = "responses"

    [mcp_servers.c]
    args = []
    command = "npx"
    --- .config/goose/config.yaml
    # mine
    GOOSE_MODEL: qwen3 # why
    GOOSE_TELEMETRY_ENABLED: true
    active_provider: ollama

    # more
    extensions:
      developer:
        enabled: true
      c:
        args: []
        cmd: npx
        enabled: true
        envs: {}
        name: c
        timeout: 300
        type: stdio
    GOOSE_PROVIDER: ollama
    providers:
      ollama:
        enabled: true
        model: qwen3
        configured: true
    "#);
}

#[test]
fn a_broken_file_is_an_error_that_names_it() {
    let cases = [
        ("claude", ".claude.json", "{\"a\": 1,}"),
        ("claude", ".claude.json", "[]"),
        ("claude", ".claude.json", "{\"projects\": 1}"),
        ("codex", ".codex/config.toml", "model = "),
        ("codex", ".codex/config.toml", "projects = 1"),
        ("cursor", ".cursor/mcp.json", "{} {}"),
        ("goose", ".config/goose/config.yaml", "a: [b"),
        ("goose", ".config/goose/config.yaml", "- a"),
        ("openclaw", ".openclaw/openclaw.json", "{'gateway': []}"),
        ("opencode", ".config/opencode/opencode.json", "{\"mcp\" {}}"),
    ];
    let errors = cases.map(|(agent, path, text)| {
        let storage = storage(&[(&format!("{agent}/{path}"), text)]);
        let file = storage.path().join("config").join(agent).join(path);
        let error = prepared(agent, None, &mcp(), storage.path()).unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        error.to_text().replace(&storage.path().display().to_string(), "STORAGE")
    });
    assert_snapshot!(errors.concat(), @r#"
    Error: failed to apply agent onboarding settings: failed to parse existing .claude.json: Trailing commas are not allowed on line 1 column 8
    Correct STORAGE/config/claude/.claude.json, or remove it
    Error: failed to apply agent onboarding settings: failed to parse existing .claude.json: it is not an object
    Correct STORAGE/config/claude/.claude.json, or remove it
    Error: failed to apply agent onboarding settings: failed to parse existing .claude.json: "projects" is not an object
    Correct STORAGE/config/claude/.claude.json, or remove it
    Error: failed to apply agent onboarding settings: failed to parse existing .codex/config.toml: string values must be quoted, expected literal string on line 1
    Correct STORAGE/config/codex/.codex/config.toml, or remove it
    Error: failed to apply agent onboarding settings: failed to parse existing .codex/config.toml: "projects" is not an object
    Correct STORAGE/config/codex/.codex/config.toml, or remove it
    Error: failed to apply agent MCP server settings: failed to parse existing .cursor/mcp.json: Text cannot contain more than one JSON value on line 1 column 4
    Correct STORAGE/config/cursor/.cursor/mcp.json, or remove it
    Error: failed to apply agent onboarding settings: failed to parse existing .config/goose/config.yaml: while parsing a flow sequence, expected ',' or ']' at byte 5 line 2 column 1
    Correct STORAGE/config/goose/.config/goose/config.yaml, or remove it
    Error: failed to apply agent onboarding settings: failed to parse existing .config/goose/config.yaml: it is not an object
    Correct STORAGE/config/goose/.config/goose/config.yaml, or remove it
    Error: failed to apply agent onboarding settings: failed to parse existing .openclaw/openclaw.json: "gateway" is not an object
    Correct STORAGE/config/openclaw/.openclaw/openclaw.json, or remove it
    Error: failed to apply agent MCP server settings: failed to parse existing .config/opencode/opencode.json: Expected colon after the string or word in object property on line 1 column 8
    Correct STORAGE/config/opencode/.config/opencode/opencode.json, or remove it
    "#);
}
