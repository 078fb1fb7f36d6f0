//! The files of each agent that is given a model.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::*;

fn with_model(agent: &str, model: &str) -> String {
    files(agent, Some(model), &Mcp::default())
}

/// The only file of an agent.
fn document(agent: &str, model: &str) -> Value {
    let text = with_model(agent, model);
    serde_json::from_str(text.split_once('\n').unwrap().1).unwrap()
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
}

#[test]
fn claude_approves_keys_that_stand_for_secrets() {
    let state = r#"{"customApiKeyResponses": {"approved": ["z", "a"], "rejected": []}}"#;
    let storage = storage(&[("claude/.claude.json", state)]);
    let mcp = Mcp::default();
    let wanted = Wanted { approved_keys: &["placeholder"], ..wanted("claude", &mcp, storage.path()) };
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
    let local = document("openclaw", "::m::http://localhost:1/v1");
    assert_eq!(local["agents"]["defaults"]["model"], "local/m");
    assert_snapshot!(format!("{:#}", local["models"]), @r#"
    {
      "providers": {
        "local": {
          "api": "openai-completions",
          "apiKey": "local-no-auth",
          "baseUrl": "http://host.test:1/v1",
          "models": [
            {
              "id": "m",
              "name": "m"
            }
          ]
        }
      }
    }
    "#);
    let model = |id| document("openclaw", id)["agents"]["defaults"]["model"].clone();
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
    let config = |id| document("opencode", id);
    assert_eq!(config("opus"), json!({"model": "opus"}));
    assert_eq!(config("anthropic::opus"), json!({"model": "anthropic/opus"}));
    assert_eq!(config("openai::m::https://api.openai.com/v1"), json!({"model": "openai/m"}));
    assert_eq!(config("::m::http://a/v1")["model"], "custom/m");
    assert_eq!(config("acme::m")["provider"]["acme"]["models"], json!({"m": {"_launch": true, "name": "m"}}));
}

#[test]
fn a_model_has_a_name() {
    let error = prepared("opencode", Some("ollama::"), &Mcp::default(), Path::new("/nowhere")).unwrap_err();
    assert_snapshot!(error.to_text(), @r#"
    Error: failed to apply agent model settings: invalid model ID "ollama::": expected provider::model or provider::model::baseURL
    Name a model, such as ollama::qwen3
    "#);
}
