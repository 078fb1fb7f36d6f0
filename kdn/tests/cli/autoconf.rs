//! `kdn autoconf`: with `--yes`, at a terminal, and where it can't ask.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt as _};

use insta::assert_snapshot;

use crate::support::{Env, Pty, skip_unless};

const TOKEN: &str = "canary-93ab";

/// A project and a home in which there is something to be found at each stage.
fn env() -> Env {
    let env = Env::with_drivers(&[]).set("GH_TOKEN", TOKEN).set("GEMINI_API_KEY", "");
    let values = env.root().join("values");
    let env = env
        .set("KDN_SECRETS_FILE", values)
        .set("CLAUDE_CODE_USE_VERTEX", "1")
        .set("ANTHROPIC_VERTEX_PROJECT_ID", "my-project")
        .set("CLOUD_ML_REGION", "us-east5");
    let gcloud = env.home().join(".config/gcloud");
    fs::create_dir_all(&gcloud).unwrap();
    fs::write(gcloud.join("application_default_credentials.json"), "{}").unwrap();
    fs::write(env.home().join(".gitconfig"), "").unwrap();
    fs::write(env.project().join("go.mod"), "module x\n").unwrap();
    fs::write(env.project().join("Dockerfile"), "FROM x\nEXPOSE 8080 3000\n").unwrap();
    env
}

/// The configurations there are, each with its name.
fn written(env: &Env) -> String {
    let mut all = String::new();
    let files = ["config/projects.json", "config/agents.json"].map(|file| env.storage().join(file));
    for path in files.iter().chain([&env.project().join(".kaiden/workspace.json")]) {
        if let Ok(text) = fs::read_to_string(path) {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            write!(all, "{}: {text}", path.file_name().unwrap().display()).unwrap();
        }
    }
    all.replace(&env.root().display().to_string(), "[ROOT]")
}

#[test]
fn with_yes_all_goes_to_its_usual_place() {
    let env = env();
    assert_snapshot!(env.run(&["autoconf", "--yes"]), @r#"
    exit code 0
    --- stdout
    Detected secret "github" from GH_TOKEN
    ✓ Created secret "github".
    ✓ Added secret "github" to global project config.
    Detected Vertex AI configuration (CLAUDE_CODE_USE_VERTEX + ADC file)
    ✓ Configured Vertex AI in claude agent config.
    Detected home config file $HOME/.gitconfig
    ✓ Added $HOME/.gitconfig mount to global project config.
    Detected language: Go
    ✓ Added Go support to local workspace config.
    Detected ports: 3000, 8080
    ✓ Added ports 3000, 8080 to local workspace config.
    "#);
    let files = written(&env);
    assert_snapshot!(files, @r#"
    projects.json: {
      "": {
        "secrets": ["github"],
        "mounts": [
          {
            "host": "$HOME/.gitconfig",
            "ro": true,
            "target": "$HOME/.gitconfig"
          }
        ]
      }
    }
    agents.json: {
      "claude": {
        "environment": [
          {
            "name": "CLAUDE_CODE_USE_VERTEX",
            "value": "1"
          },
          {
            "name": "ANTHROPIC_VERTEX_PROJECT_ID",
            "value": "my-project"
          },
          {
            "name": "CLOUD_ML_REGION",
            "value": "us-east5"
          }
        ],
        "mounts": [
          {
            "host": "$HOME/.config/gcloud/application_default_credentials.json",
            "ro": true,
            "target": "$HOME/.config/gcloud/application_default_credentials.json"
          }
        ]
      }
    }
    workspace.json: {
      "features": {
        "ghcr.io/devcontainers/features/go:1": {}
      },
      "ports": [3000, 8080]
    }
    "#);
    assert!(env.ok(&["secret", "list"]).contains("github"));
    assert!(fs::read_to_string(env.root().join("values")).unwrap().contains(TOKEN));

    // A second time there is nothing to do.
    assert_snapshot!(env.run(&["autoconf", "-y"]), @r#"
    exit code 0
    --- stdout
    ✓ Secret "github" already configured (global).
    ✓ Vertex AI already configured for Claude (claude agent).
    ✓ $HOME/.gitconfig already mounted (global).
    ✓ Go already configured.
    ✓ Port 3000 already configured.
    ✓ Port 8080 already configured.
    "#);
    assert_eq!(written(&env), files);
}

#[test]
fn what_the_usual_runtime_would_refuse_is_warned_of() {
    let env = Env::with_drivers(&[]).with_bad("none").set("KDN_DEFAULT_RUNTIME", "bad");
    fs::write(env.project().join("go.mod"), "module x\n").unwrap();
    assert_snapshot!(env.run(&["autoconf", "--yes"]), @r#"
    exit code 0
    --- stdout
    No secrets detected in environment.
    Detected language: Go
    ✓ Added Go support to local workspace config.
    --- stderr
    Warning: runtime "bad" refuses a configuration with features: choose another one here, by --runtime of 'kdn init' or by KDN_DEFAULT_RUNTIME
    "#);
}

#[test]
fn where_nothing_is_found_nothing_is_made() {
    let env = Env::with_drivers(&[]);
    assert_snapshot!(env.run(&["autoconf", "--yes"]), @r"
    exit code 0
    --- stdout
    No secrets detected in environment.
    ");
    assert!(!env.storage().exists() && !env.project().join(".kaiden").exists());
}

#[test]
fn without_a_terminal_or_with_a_broken_file_nothing_is_changed() {
    let env = env();
    assert_snapshot!(env.run(&["autoconf"]), @r"
    exit code 1
    --- stderr
    Error: there is no terminal to ask at
    Use --yes to add all that is found without questions
    ");
    assert_snapshot!(env.run(&["autoconf", "--yes", "now"]), @r#"
    exit code 2
    --- stderr
    Error: unknown command "now" for "kdn autoconf"
    Run 'kdn autoconf --help' for its usage
    "#);
    assert!(!env.storage().exists());
    fs::create_dir(env.project().join(".kaiden")).unwrap();
    fs::write(env.project().join(".kaiden/workspace.json"), "{").unwrap();
    assert_snapshot!(env.run(&["autoconf", "--yes"]), @r"
    exit code 1
    --- stderr
    Error: workspace configuration validation failed: failed to parse [ROOT]/home/src/app/.kaiden/workspace.json: EOF while parsing an object at line 1 column 1
    Correct [ROOT]/home/src/app/.kaiden/workspace.json
    ");
    assert!(!env.storage().exists());
}

#[test]
fn at_a_terminal_each_change_is_asked_for() {
    let Some(setsid) = skip_unless("setsid") else { return };
    let env = env();
    env.configure(&serde_json::json!({"mine": 1, "ports": [3000]}));
    let mut command = env.command(&["autoconf"]);
    command.env("TERM", "xterm");
    let mut pty = Pty::start(&setsid, &command);
    let down = "\u{1b}[B";
    pty.expect(&["Create secret \"github\"?"]).send("y");
    pty.expect(&["Local (.kaiden/workspace.json)"]).send(down).send(down).send("\r");
    pty.expect(&["Configure Claude workspaces for Vertex AI"]).send("n");
    pty.expect(&["Mount $HOME/.gitconfig read-only?"]).send("\r");
    // Escape chooses nothing.
    pty.expect(&["Add home config file mount to:"]).expect(&["Local"]).send("\u{1b}");
    pty.expect(&["Add feature"]).send("n");
    pty.expect(&["Add ports 8080"]).send("y");
    let (code, screen) = pty.finish();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains(TOKEN), "{screen}");
    let marks: Vec<String> = screen
        .lines()
        .map(|line| anstream::adapter::strip_str(line).to_string())
        .filter(|line| line.contains(['✓', '–']))
        .map(|line| line.trim().to_owned())
        .collect();
    assert_snapshot!(marks.join("\n"), @r#"
    ✓ Created secret "github".
    ✓ Added secret "github" to local workspace config.
    – Skipped Vertex AI configuration.
    – Skipped $HOME/.gitconfig.
    – Skipped Go.
    ✓ Port 3000 already configured.
    ✓ Added ports 8080 to local workspace config.
    "#);
    assert_snapshot!(written(&env), @r#"
    workspace.json: {
      "mine":1,
      "ports":[3000, 8080],
      "secrets": ["github"]
    }
    "#);

    // Ctrl-C is no answer: what comes after it is not asked.
    let mut pty = Pty::start(&setsid, &command);
    pty.expect(&["Configure Claude workspaces for Vertex AI"]).send("\u{3}");
    let (code, screen) = pty.finish();
    assert_eq!(code, Some(130), "{screen}");
    assert!(screen.contains("\u{1b}[?25h"), "the cursor is back: {screen:?}");
}
