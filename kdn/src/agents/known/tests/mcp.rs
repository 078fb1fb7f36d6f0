//! The files of each agent that is given MCP servers.

use insta::assert_snapshot;

use super::{files, mcp};

fn with_mcp(agent: &str) -> String {
    files(agent, None, &mcp())
}

#[test]
fn claude() {
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
fn codex() {
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
}

#[test]
fn goose() {
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
}

#[test]
fn opencode() {
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
}
