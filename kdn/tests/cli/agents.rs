//! What an agent finds in the home of its workspace.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use insta::assert_snapshot;

use crate::support::{Env, skip, skip_unless};

/// A world with the user's settings for claude, a skill, and MCP servers for the project.
fn world(drivers: &[&str]) -> Option<Env> {
    let env = Env::with_drivers(drivers);
    for tool in ["sh", "cat", "find"] {
        env.tool(&skip_unless(tool)?);
    }
    // The sandbox takes agents that are on the machine.
    write(&env.bin().join("claude"), "#!/bin/sh\n", 0o755);
    let settings = env.storage().join("config/claude");
    write(&settings.join(".claude.json"), "{\"theme\": \"dark\", \"numStartups\": 1.0}", 0o644);
    write(&settings.join(".claude/hooks/format"), "#!/bin/sh\n", 0o755);
    write(&env.home().join("skills/review/SKILL.md"), "look twice\n", 0o644);
    write(
        &env.project().join(".kaiden/workspace.json"),
        r#"{"skills": ["$HOME/skills/review"], "mcp": {"commands": [{"name": "docs", "command": "npx"}]}}"#,
        0o644,
    );
    Some(env)
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const LOOK: &str = "cd; cat .claude.json .claude/settings.json .claude/skills/review/SKILL.md; \
    find .claude.json .claude/settings.json .claude/hooks/* -type f -printf '%p %m\\n'";

#[test]
fn claude_in_a_sandbox() {
    if !cfg!(target_os = "linux") {
        return skip("sandbox", "is there on Linux only");
    }
    let Some(env) = world(&["sandbox"]) else { return };
    let run = env.run(&["init", "-r", "sandbox", "-a", "shell", "--dump-config"]);
    if run.code != Some(0) {
        return skip("sandbox", &format!("is not ready: {}", run.stderr));
    }
    env.ok(&["init", "--agent", "claude", "--model", "anthropic::opus::http://localhost:4000", "--start"]);
    assert_snapshot!(env.ok(&["terminal", "app", "--", "sh", "-c", LOOK]), @r#"
    {
      "theme": "dark",
      "numStartups": 1.0,
      "hasCompletedOnboarding": true,
      "projects": {
        "/workspace/sources": {
          "hasTrustDialogAccepted": true
        }
      },
      "mcpServers": {
        "docs": {
          "args": [],
          "command": "npx",
          "env": {},
          "type": "stdio"
        }
      }
    }
    {
      "model": "opus",
      "env": {
        "ANTHROPIC_BASE_URL": "http://localhost:4000"
      }
    }
    look twice
    .claude.json 600
    .claude/settings.json 600
    .claude/hooks/format 700
    "#);
    env.ok(&["remove", "--force", "app"]);
}

#[cfg(target_os = "linux")]
#[test]
fn claude_without_isolation() {
    let Some(env) = world(&["fake"]) else { return };
    env.ok(&["init", "-r", "fake", "-a", "claude", "-m", "opus", "--start"]);
    let shown = env.ok(&["terminal", "app", "--", "sh", "-c", LOOK]);
    assert_snapshot!(shown.replace(&env.root().display().to_string(), "[ROOT]"), @r#"
    {
      "theme": "dark",
      "numStartups": 1.0,
      "hasCompletedOnboarding": true,
      "projects": {
        "[ROOT]/home/src/app": {
          "hasTrustDialogAccepted": true
        }
      },
      "mcpServers": {
        "docs": {
          "args": [],
          "command": "npx",
          "env": {},
          "type": "stdio"
        }
      }
    }
    {
      "model": "opus"
    }
    look twice
    .claude.json 600
    .claude/settings.json 600
    .claude/hooks/format 700
    "#);
    env.ok(&["remove", "--force", "app"]);
}

#[test]
fn a_broken_file_makes_nothing() {
    let Some(env) = world(&["fake"]) else { return };
    let file = env.storage().join("config/claude/.claude.json");
    write(&file, "{\"theme\": }", 0o644);
    assert_snapshot!(env.run(&["init", "-r", "fake", "-a", "claude"]), @r#"
    exit code 1
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Error: failed to apply agent onboarding settings: failed to parse existing .claude.json: Unexpected close brace on line 1 column 11
    Correct [ROOT]/home/.kdn/config/claude/.claude.json, or remove it
    "#);
    assert_eq!(fs::read_to_string(file).unwrap(), "{\"theme\": }");
    assert_eq!(env.list().len(), 0);
}

#[test]
fn what_an_agent_does_not_get_is_said() {
    let Some(env) = world(&["fake"]) else { return };
    env.program("aider");
    assert_snapshot!(env.run(&["init", "-r", "fake", "-a", "aider", "-m", "opus"]), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Warning: "mcp" of the configuration is not passed on to agent "aider"
    Warning: "skills" of the configuration is not passed on to agent "aider"
    Warning: model "opus" is not passed on to agent "aider"
    Writing files
    Files written
    Creating instance
    Instance created
    "#);
    assert_snapshot!(env.run(&["init", "-r", "fake", "-a", "../claude"]), @r#"
    exit code 1
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Warning: "mcp" of the configuration is not passed on to agent "../claude"
    Warning: "skills" of the configuration is not passed on to agent "../claude"
    Error: failed to read agent settings: invalid agent name: "../claude"
    "#);
}

#[test]
fn a_model_of_this_machine_that_is_out_of_reach() {
    let env = Env::new().with_bad("good");
    let model = "local::m::http://localhost:8080/v1";
    assert_snapshot!(env.run(&["init", "-r", "bad", "-a", "claude", "-m", model]), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: runtime "bad" names no address of this machine, so http://localhost:8080/v1 may not be reached
    "#);
}
