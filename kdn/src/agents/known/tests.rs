//! The files of each agent, as they are without any of the user's, and with some.

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::AGENTS;
use crate::{
    agents::{Prepared, Wanted, prepare},
    config::file::Mcp,
    files::{create_folder, write_atomic},
    output::CommandError,
};

const SOURCES: &str = "/workspace/sources";

/// Prepares an agent with a model and MCP servers; the host is reached as `host.test`.
fn prepared(agent: &str, model: Option<&str>, mcp: &Mcp, storage: &Path) -> Result<Prepared, CommandError> {
    prepare(&Wanted {
        agent,
        storage,
        model,
        mcp,
        skills: &[],
        sources: SOURCES,
        mounts_at: Some("/home/agent"),
        host: Some("host.test"),
        approved_keys: &[],
        now: Timestamp::UNIX_EPOCH,
    })
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

fn with_model(agent: &str, model: &str) -> String {
    files(agent, Some(model), &Mcp::default())
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

fn with_mcp(agent: &str) -> String {
    files(agent, None, &mcp())
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
fn claude() {
    assert_snapshot!(with_model("claude", "anthropic::opus::http://localhost:4000"), @r#"
    --- .claude.json
    {
      "hasCompletedOnboarding": true,
      "projects": {
        "/workspace/sources": {
          "hasTrustDialogAccepted": true
        }
      }
    }
    --- .claude/settings.json
    {
      "model": "opus",
      "env": {
        "ANTHROPIC_BASE_URL": "http://host.test:4000"
      }
    }
    "#);
    assert_snapshot!(with_mcp("claude"), @r#"
    --- .claude.json
    {
      "hasCompletedOnboarding": true,
      "projects": {
        "/workspace/sources": {
          "hasTrustDialogAccepted": true
        }
      },
      "mcpServers": {
        "files": {
          "args": ["-y", "http://host.test:1/x"],
          "command": "npx",
          "env": {
            "K": "v"
          },
          "type": "stdio"
        },
        "plain": {
          "args": [],
          "command": "mcp",
          "env": {},
          "type": "stdio"
        },
        "web": {
          "headers": {
            "H": "v"
          },
          "type": "sse",
          "url": "https://example.com/mcp"
        },
        "here": {
          "type": "sse",
          "url": "http://localhost:2/sse"
        }
      }
    }
    "#);
}

#[test]
fn claude_approves_keys_that_stand_for_secrets() {
    let storage = tempfile::tempdir().unwrap();
    let folder = storage.path().join("config/claude");
    create_folder(&folder, 0o700).unwrap();
    let state = r#"{"customApiKeyResponses": {"approved": ["z", "a"], "rejected": []}}"#;
    write_atomic(&folder.join(".claude.json"), state.as_bytes(), 0o600).unwrap();
    let mcp = Mcp::default();
    let wanted = Wanted {
        agent: "claude",
        storage: storage.path(),
        model: None,
        mcp: &mcp,
        skills: &[],
        sources: SOURCES,
        mounts_at: None,
        host: None,
        approved_keys: &["placeholder"],
        now: Timestamp::UNIX_EPOCH,
    };
    assert_snapshot!(texts(prepare(&wanted).unwrap()), @r#"
    --- .claude.json
    {
      "customApiKeyResponses": {"approved": ["a", "placeholder", "z"], "rejected": []},
      "hasCompletedOnboarding": true,
      "projects": {
        "/workspace/sources": {
          "hasTrustDialogAccepted": true
        }
      }
    }
    "#);
}

#[test]
fn codex() {
    assert_snapshot!(with_model("codex", "gpt-5"), @r#"
    --- .codex/config.toml
    model = "gpt-5"
    [projects."/workspace/sources"]
    trust_level = "trusted"
    "#);
    assert_snapshot!(with_model("codex", "ollama::qwen3"), @r#"
    --- .codex/config.toml
    model = "qwen3"
    model_provider = "ollama-custom"
    [projects."/workspace/sources"]
    trust_level = "trusted"

    [model_providers.ollama-custom]
    name = "ollama"
    base_url = "http://host.test:11434/v1"
    wire_api = "responses"
    "#);
    assert_snapshot!(with_mcp("codex"), @r#"
    --- .codex/config.toml
    [projects."/workspace/sources"]
    trust_level = "trusted"

    [mcp_servers.files]
    args = ["-y", "http://host.test:1/x"]
    command = "npx"

    [mcp_servers.files.env]
    K = "v"

    [mcp_servers.plain]
    args = []
    command = "mcp"

    [mcp_servers.web]
    url = "https://example.com/mcp"

    [mcp_servers.web.http_headers]
    H = "v"

    [mcp_servers.here]
    url = "http://localhost:2/sse"
    "#);
}

#[test]
fn cursor() {
    assert_snapshot!(with_model("cursor", "openai::gpt-5"), @r#"
    --- .cursor/cli-config.json
    {
      "model": {
        "modelId": "gpt-5",
        "displayModelId": "gpt-5",
        "displayName": "gpt-5",
        "displayNameShort": "gpt-5",
        "maxMode": false
      },
      "hasChangedDefaultModel": true
    }
    --- .cursor/projects/workspace-sources/.workspace-trusted
    {
      "trustedAt": "1970-01-01T00:00:00Z",
      "workspacePath": "/workspace/sources"
    }
    "#);
    assert_snapshot!(with_mcp("cursor"), @r#"
    --- .cursor/mcp.json
    {
      "mcpServers": {
        "files": {
          "args": ["-y", "http://host.test:1/x"],
          "command": "npx",
          "env": {
            "K": "v"
          }
        },
        "plain": {
          "args": [],
          "command": "mcp",
          "env": {}
        },
        "web": {
          "headers": {
            "H": "v"
          },
          "url": "https://example.com/mcp"
        },
        "here": {
          "headers": {},
          "url": "http://localhost:2/sse"
        }
      }
    }
    --- .cursor/projects/workspace-sources/.workspace-trusted
    {
      "trustedAt": "1970-01-01T00:00:00Z",
      "workspacePath": "/workspace/sources"
    }
    "#);
}

#[test]
fn gemini() {
    assert_snapshot!(with_model("gemini", "google::gemini-3-pro"), @r#"
    --- .gemini/settings.json
    {
      "model": {
        "name": "gemini-3-pro"
      }
    }
    --- .gemini/trustedFolders.json
    {
      "/workspace/sources": "TRUST_FOLDER"
    }
    "#);
    assert_snapshot!(with_mcp("gemini"), @r#"
    --- .gemini/settings.json
    {
      "mcpServers": {
        "files": {
          "args": ["-y", "http://host.test:1/x"],
          "command": "npx",
          "env": {
            "K": "v"
          }
        },
        "plain": {
          "args": [],
          "command": "mcp",
          "env": {}
        },
        "web": {
          "headers": {
            "H": "v"
          },
          "httpUrl": "https://example.com/mcp"
        },
        "here": {
          "headers": {},
          "httpUrl": "http://localhost:2/sse"
        }
      }
    }
    --- .gemini/trustedFolders.json
    {
      "/workspace/sources": "TRUST_FOLDER"
    }
    "#);
    let model = Some("google::g::http://localhost:1");
    let environment = prepared("gemini", model, &Mcp::default(), Path::new("/nowhere")).unwrap().environment;
    assert_eq!(environment, [("GOOGLE_GEMINI_BASE_URL".to_owned(), "http://host.test:1".to_owned())]);
}

#[test]
fn goose() {
    assert_snapshot!(with_model("goose", "gpt-5"), @r"
    --- .config/goose/config.yaml
    GOOSE_TELEMETRY_ENABLED: false
    GOOSE_MODEL: gpt-5
    GOOSE_PROVIDER: openai
    ");
    assert_snapshot!(with_model("goose", "gemini::pro"), @r"
    --- .config/goose/config.yaml
    GOOSE_TELEMETRY_ENABLED: false
    GOOSE_MODEL: pro
    GOOSE_PROVIDER: google
    ");
    assert_snapshot!(with_model("goose", "::m::http://127.0.0.1:8080/v1"), @r#"
    --- .config/goose/config.yaml
    GOOSE_TELEMETRY_ENABLED: false
    GOOSE_MODEL: m
    GOOSE_PROVIDER: openai
    OPENAI_BASE_URL: "http://host.test:8080/v1"
    "#);
    assert_snapshot!(with_mcp("goose"), @r#"
    --- .config/goose/config.yaml
    GOOSE_TELEMETRY_ENABLED: false
    extensions:
      files:
        args:
          - "-y"
          - "http://host.test:1/x"
        cmd: npx
        enabled: true
        envs:
          K: v
        name: files
        timeout: 300
        type: stdio
      plain:
        args: []
        cmd: mcp
        enabled: true
        envs: {}
        name: plain
        timeout: 300
        type: stdio
      web:
        enabled: true
        headers:
          H: v
        name: web
        timeout: 300
        type: streamable_http
        uri: "https://example.com/mcp"
      here:
        enabled: true
        headers: {}
        name: here
        timeout: 300
        type: streamable_http
        uri: "http://localhost:2/sse"
    "#);
}

#[test]
fn openclaw() {
    assert_snapshot!(with_model("openclaw", "vertexai::opus"), @r#"
    --- .openclaw/openclaw.json
    {
      "gateway": {
        "auth": {
          "mode": "token",
          "token": "openclaw123"
        },
        "controlUi": {
          "enabled": true,
          "allowedOrigins": ["*"]
        },
        "bind": "lan",
        "mode": "local"
      },
      "agents": {
        "defaults": {
          "model": "anthropic-vertex/opus"
        }
      }
    }
    "#);
    assert_snapshot!(with_model("openclaw", "::m::http://localhost:1/v1"), @r#"
    --- .openclaw/openclaw.json
    {
      "gateway": {
        "auth": {
          "mode": "token",
          "token": "openclaw123"
        },
        "controlUi": {
          "enabled": true,
          "allowedOrigins": ["*"]
        },
        "bind": "lan",
        "mode": "local"
      },
      "agents": {
        "defaults": {
          "model": "local/m"
        }
      },
      "models": {
        "providers": {
          "local": {
            "baseUrl": "http://host.test:1/v1",
            "apiKey": "local-no-auth",
            "api": "openai-completions",
            "models": [
              {
                "id": "m",
                "name": "m"
              }
            ]
          }
        }
      }
    }
    "#);
    assert_snapshot!(with_mcp("openclaw"), @r#"
    --- .openclaw/openclaw.json
    {
      "gateway": {
        "auth": {
          "mode": "token",
          "token": "openclaw123"
        },
        "controlUi": {
          "enabled": true,
          "allowedOrigins": ["*"]
        },
        "bind": "lan",
        "mode": "local"
      },
      "mcp": {
        "servers": {
          "files": {
            "args": ["-y", "http://host.test:1/x"],
            "command": "npx",
            "env": {
              "K": "v"
            }
          },
          "plain": {
            "args": [],
            "command": "mcp",
            "env": {}
          },
          "web": {
            "headers": {
              "H": "v"
            },
            "transport": "streamable-http",
            "url": "https://example.com/mcp"
          },
          "here": {
            "transport": "streamable-http",
            "url": "http://localhost:2/sse"
          }
        }
      }
    }
    "#);
    let model = |id| {
        let text = with_model("openclaw", id);
        let document: Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
        document["agents"]["defaults"]["model"].clone()
    };
    assert_eq!(model("opus"), "opus");
    assert_eq!(model("gemini::pro"), "google/pro");
}

#[test]
fn opencode() {
    assert_eq!(files("opencode", None, &Mcp::default()), "");
    assert_snapshot!(with_model("opencode", "ollama::qwen3"), @r#"
    --- .config/opencode/opencode.json
    {
      "model": "ollama/qwen3",
      "provider": {
        "ollama": {
          "name": "ollama",
          "npm": "@ai-sdk/openai-compatible",
          "options": {
            "baseURL": "http://host.test:11434/v1"
          },
          "models": {
            "qwen3": {
              "_launch": true,
              "name": "qwen3"
            }
          }
        }
      }
    }
    "#);
    assert_snapshot!(with_model("opencode", "vertexai::opus"), @r#"
    --- .config/opencode/opencode.json
    {
      "model": "google-vertex-anthropic/opus",
      "provider": {
        "google-vertex-anthropic": {
          "models": {
            "opus": {}
          }
        }
      }
    }
    "#);
    assert_snapshot!(with_model("opencode", "openai::m::http://localhost:9/v1"), @r#"
    --- .config/opencode/opencode.json
    {
      "model": "custom/m",
      "provider": {
        "custom": {
          "name": "host.test:9",
          "npm": "@ai-sdk/openai-compatible",
          "options": {
            "baseURL": "http://host.test:9/v1"
          },
          "models": {
            "m": {
              "_launch": true,
              "name": "m"
            }
          }
        }
      }
    }
    "#);
    assert_snapshot!(with_model("opencode", "gemini::pro::https://proxy.example.com"), @r#"
    --- .config/opencode/opencode.json
    {
      "model": "google/pro",
      "provider": {
        "google": {
          "options": {
            "baseURL": "https://proxy.example.com"
          },
          "models": {
            "pro": {
              "_launch": true,
              "name": "pro"
            }
          }
        }
      }
    }
    "#);
    assert_snapshot!(with_mcp("opencode"), @r#"
    --- .config/opencode/opencode.json
    {
      "mcp": {
        "files": {
          "command": ["npx", "-y", "http://host.test:1/x"],
          "enabled": true,
          "environment": {
            "K": "v"
          },
          "type": "local"
        },
        "plain": {
          "command": ["mcp"],
          "enabled": true,
          "environment": {},
          "type": "local"
        },
        "web": {
          "enabled": true,
          "headers": {
            "H": "v"
          },
          "type": "remote",
          "url": "https://example.com/mcp"
        },
        "here": {
          "enabled": true,
          "headers": {},
          "type": "remote",
          "url": "http://localhost:2/sse"
        }
      }
    }
    "#);
    let config = |id| {
        let text = with_model("opencode", id);
        serde_json::from_str::<Value>(text.split_once('\n').unwrap().1).unwrap()
    };
    assert_eq!(config("opus"), json!({"model": "opus"}));
    assert_eq!(config("anthropic::opus"), json!({"model": "anthropic/opus"}));
    assert_eq!(config("openai::m::https://api.openai.com/v1"), json!({"model": "openai/m"}));
    assert_eq!(config("::m::http://a/v1")["model"], "custom/m");
    assert_eq!(config("acme::m")["provider"]["acme"]["models"], json!({"m": {"_launch": true, "name": "m"}}));
}

#[test]
fn shell_gets_nothing() {
    assert_eq!(files("shell", Some("m"), &mcp()), "");
}

#[test]
fn a_model_has_a_name() {
    let error = prepared("opencode", Some("ollama::"), &Mcp::default(), Path::new("/nowhere")).unwrap_err();
    assert_snapshot!(error.to_text(), @r#"
    Error: failed to apply agent model settings: invalid model ID "ollama::": expected provider::model or provider::model::baseURL
    Name a model, such as ollama::qwen3
    "#);
}

/// What the user has set stays, in its order; what is set twice is as kdn has it.
#[test]
fn the_users_settings_stay() {
    let storage = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = storage.path().join("config").join(path);
        create_folder(path.parent().unwrap(), 0o700).unwrap();
        write_atomic(&path, text.as_bytes(), 0o600).unwrap();
    };
    write(
        "claude/.claude.json",
        r#"{"zoom": 1.0, "mcpServers": {"mine": {"command": "x"}}, "apples": null}"#,
    );
    write(
        "opencode/.config/opencode/opencode.json",
        "{\n  // mine\n  \"theme\": \"dark\",\n  \"provider\": {\"ollama\": {\"models\": {\"qwen3\": {\"x\": 1}}}},\n}\n",
    );
    write("openclaw/.openclaw/openclaw.json", "{\n  // mine\n  gateway: { port: 1, bind: 'loopback' },\n}\n");
    write("codex/.codex/config.toml", "# mine\nmodel = \"old\" # why\n\n[tui]\ntheme = \"dark\"\n");
    write(
        "goose/.config/goose/config.yaml",
        "# mine\nGOOSE_MODEL: old # why\nGOOSE_TELEMETRY_ENABLED: true\nactive_provider: anthropic\n\n# more\n\
         extensions:\n  developer:\n    enabled: true\n",
    );
    let texts = ["claude", "codex", "goose", "openclaw", "opencode"].map(|agent| {
        let mcp = serde_json::from_value(json!({"commands": [{"name": "c", "command": "npx"}]})).unwrap();
        texts(prepared(agent, Some("ollama::qwen3"), &mcp, storage.path()).unwrap())
    });
    assert_snapshot!(texts.concat(), @r#"
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
    // Nothing of the user's own is touched.
    assert!(fs::read_to_string(storage.path().join("config/claude/.claude.json")).unwrap().contains("1.0"));
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
        let storage = tempfile::tempdir().unwrap();
        let file = storage.path().join("config").join(agent).join(path);
        create_folder(file.parent().unwrap(), 0o700).unwrap();
        write_atomic(&file, text.as_bytes(), 0o600).unwrap();
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
