//! `kdn secret` and `kdn service`, with the values in a file, and what workspaces get of secrets.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::json;

use crate::{
    session::sandbox,
    support::{Env, Pty, Run, skip_unless},
};

/// A value that must not be seen anywhere.
const CANARY: &str = "canary-6f1c9d";
const OTHER: [&str; 6] = ["--type", "other", "--host", "db.example.com", "--header", "X-Key"];

impl Env {
    /// With a file for the values.
    pub(crate) fn with_values_file(self) -> Self {
        let file = self.values();
        self.set("KDN_SECRETS_FILE", file)
    }

    fn values(&self) -> PathBuf {
        self.root().join("values")
    }

    /// Runs kdn with a text on its standard input.
    pub(crate) fn run_with_stdin(&self, args: &[&str], text: &str) -> Run {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        Run::new(&command, child.wait_with_output().unwrap(), self.root())
    }
}

fn env() -> Env {
    Env::with_drivers(&[]).with_values_file()
}

#[test]
fn create_and_list() {
    let env = env();
    assert_snapshot!(env.run(&["secret", "list"]), @r"
    exit code 0
    --- stdout
    No secrets found
    ");
    assert_snapshot!(env.run(&["secret", "list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": []
    }
    "#);
    assert!(!env.storage().exists(), "reading creates nothing");

    assert_snapshot!(
        env.run(&["secret", "create", "my token", "--type", "github", "--value", "x", "--description", "Mine"]),
        @r#"
    exit code 0
    --- stdout
    Secret "my token" created successfully
    "#);
    let other = ["secret", "create", "db", "--headerTemplate", "Key ${value}", "--path", "/v1", "--env", "A"];
    let more = ["--env", "B,C", "--host", "x.com", "--value", "-", "-o", "json"];
    assert_snapshot!(env.run_with_stdin(&[&other[..], &OTHER, &more].concat(), "y z\n"), @r#"
    exit code 0
    --- stdout
    {
      "name": "db"
    }
    "#);
    assert_snapshot!(env.run(&["secret", "list"]), @r"
    exit code 0
    --- stdout
    NAME      TYPE    DESCRIPTION
    db        other
    my token  github  Mine
    ");
    assert_snapshot!(env.run(&["secret", "list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "envs": [
            "A",
            "B,C"
          ],
          "header": "X-Key",
          "headerTemplate": "Key ${value}",
          "hosts": [
            "db.example.com",
            "x.com"
          ],
          "name": "db",
          "path": "/v1",
          "type": "other"
        },
        {
          "description": "Mine",
          "name": "my token",
          "type": "github"
        }
      ]
    }
    "#);
    assert_snapshot!(fs::read_to_string(env.values()).unwrap(), @r#"
    {
      "db": "y z",
      "my token": "x"
    }
    "#);
    for file in [env.values(), env.storage().join("secrets.json")] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}

#[test]
fn there_is_one_of_a_name() {
    let env = env();
    for name in ["db", "my token"] {
        env.ok(&["secret", "create", name, "--type", "github", "--value", "x"]);
    }
    assert_snapshot!(env.run(&["secret", "create", "db", "--type", "github", "--value", "z"]), @r#"
    exit code 1
    --- stderr
    Error: failed to create secret: secret "db": secret already exists
    Remove it first: 'kdn secret remove db'
    "#);
    assert_snapshot!(env.run(&["secret", "remove", "my token"]), @r#"
    exit code 0
    --- stdout
    Secret "my token" removed successfully
    "#);
    assert_snapshot!(env.run(&["secret", "remove", "db", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "name": "db"
    }
    "#);
    assert_snapshot!(env.run(&["secret", "remove", "db", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "failed to remove secret: secret \"db\": secret not found",
      "hints": [
        "'kdn secret create db ...' makes it; 'kdn secret list' shows those that are there"
      ]
    }
    "#);
    assert_eq!(fs::read_to_string(env.values()).unwrap(), "{}\n");
}

#[test]
fn wrong_usage() {
    let env = env();
    let error = |args: &[&str]| {
        let run = env.run(&[&["secret", "create", "x"], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines[1..], ["Run 'kdn secret create --help' for its usage"], "{run}");
        lines[0].strip_prefix("Error: ").unwrap().to_owned()
    };
    let types = "must be one of anthropic, gemini, github, other";
    assert_eq!(error(&["--value", "v"]), "--type is required");
    assert_eq!(error(&["--type", "x", "--value", "v"]), format!(r#"invalid --type "x": {types}"#));
    assert_eq!(error(&["--type", "github"]), "--value is required");
    assert_eq!(error(&["--type", "github", "--value", ""]), "--value is required");
    assert_eq!(
        error(&["--type", "other", "--value", "v", "--header", ""]),
        "--host is required when --type=other"
    );
    assert_eq!(
        error(&["--type", "other", "--value", "v", "--host", "h"]),
        "--header is required when --type=other"
    );
    for flag in ["--host", "--path", "--header", "--headerTemplate", "--env"] {
        let wrong = error(&["--type", "github", "--value", "v", flag, "h"]);
        assert_eq!(wrong, format!("{flag} is only valid when --type=other"));
    }
    assert_eq!(
        error(&["--type", "github", "--value-env", "A", "--value", "v"]),
        "--value-env cannot be used with --value"
    );
    assert!(!env.storage().exists());
    assert_snapshot!(env.run(&["secret", "nope"]), @r#"
    exit code 2
    --- stderr
    Error: unknown command "nope" for "kdn secret"
    Run 'kdn secret --help' for its usage
    "#);
}

#[test]
fn services() {
    let env = Env::with_drivers(&[]);
    assert_snapshot!(env.run(&["service", "list"]), @r"
    exit code 0
    --- stdout
    NAME       HOST PATTERNS                      PATH  HEADER          HEADER TEMPLATE  ENV VARS                                                      DESCRIPTION
    anthropic  api.anthropic.com                        x-api-key                        ANTHROPIC_API_KEY                                             Anthropic API key for accessing Claude AI models
    gemini     generativelanguage.googleapis.com        x-goog-api-key  ${value}         GEMINI_API_KEY, GOOGLE_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY  Google Gemini AI API key for accessing Gemini language models
    github     api.github.com                           Authorization   Bearer ${value}  GH_TOKEN, GITHUB_TOKEN                                        GitHub API token for accessing GitHub repositories and services
    ");
    assert_snapshot!(env.run(&["service", "list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "name": "anthropic",
          "description": "Anthropic API key for accessing Claude AI models",
          "hostPattern": "api.anthropic.com",
          "headerName": "x-api-key",
          "envVars": [
            "ANTHROPIC_API_KEY"
          ]
        },
        {
          "name": "gemini",
          "description": "Google Gemini AI API key for accessing Gemini language models",
          "hostPattern": "generativelanguage.googleapis.com",
          "headerName": "x-goog-api-key",
          "headerTemplate": "${value}",
          "envVars": [
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "GOOGLE_GENERATIVE_AI_API_KEY"
          ]
        },
        {
          "name": "github",
          "description": "GitHub API token for accessing GitHub repositories and services",
          "hostPattern": "api.github.com",
          "headerName": "Authorization",
          "headerTemplate": "Bearer ${value}",
          "envVars": [
            "GH_TOKEN",
            "GITHUB_TOKEN"
          ]
        }
      ]
    }
    "#);
    assert!(!env.storage().exists());
}

#[test]
fn a_value_comes_from_where_nobody_sees_it() {
    let env = env().set("MY_TOKEN", "from a variable");
    let create =
        |name, more: &[&'static str]| [&["secret", "create", name, "--type", "github"], more].concat();
    env.ok(&create("variable", &["--value-env", "MY_TOKEN"]));
    assert_eq!(env.run_with_stdin(&create("pipe", &[]), "two\nlines\r\n").code, Some(0));
    let values: serde_json::Value = serde_json::from_slice(&fs::read(env.values()).unwrap()).unwrap();
    assert_eq!(values, json!({"variable": "from a variable", "pipe": "two\nlines"}));

    assert_snapshot!(env.run(&create("none", &["--value-env", "NOT_THERE"])), @r#"
    exit code 2
    --- stderr
    Error: failed to read the environment variable "NOT_THERE": it is not set
    "#);

    let Some(setsid) = skip_unless("setsid") else { return };
    let mut pty = Pty::start(&setsid, &env.command(&create("typed", &[])));
    pty.expect(&["Value of typed: "]).send(&format!("{CANARY}\n"));
    let (code, screen) = pty.finish();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains(CANARY), "{screen}");
    assert!(fs::read_to_string(env.values()).unwrap().contains(CANARY));

    let mut pty = Pty::start(&setsid, &env.command(&create("not", &[])));
    pty.expect(&["Value of not: "]).send("\u{3}");
    let (code, screen) = pty.finish();
    assert_eq!(code, Some(130), "{screen}");
    assert!(!env.ok(&["secret", "list"]).contains("not"));
}

#[test]
fn a_values_file_that_others_can_reach_is_refused() {
    let env = env();
    env.ok(&["secret", "create", "a", "--type", "github", "--value", CANARY]);
    fs::set_permissions(env.values(), fs::Permissions::from_mode(0o640)).unwrap();
    let run = env.run(&["secret", "create", "b", "--type", "github", "--value", "x"]);
    assert_snapshot!(run, @r"
    exit code 1
    --- stderr
    Error: failed to create secret: failed to store secret in [ROOT]/values: the file has the mode 0640, not 0600
    KDN_SECRETS_FILE has to name a regular file of your own that only you can read and write (chmod 600), or none that exists
    ");
    assert!(!env.ok(&["secret", "list"]).contains("b  "));
    fs::set_permissions(env.values(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(env.values(), format!("{{\"a\": [\"{CANARY}\"]}}")).unwrap();
    assert_snapshot!(env.run(&["secret", "remove", "a"]), @r"
    exit code 1
    --- stderr
    Error: failed to remove secret: failed to delete secret from [ROOT]/values: the file is no JSON object of names and values (line 1, column 6)
    ");
}

#[test]
fn broken_lists_are_left_alone() {
    let env = env();
    env.ok(&["secret", "create", "a", "--type", "github", "--value", "x"]);
    let list = env.storage().join("secrets.json");
    fs::write(&list, "{").unwrap();
    assert_snapshot!(env.run(&["secret", "list", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "failed to list secrets: failed to parse secrets file: [ROOT]/home/.kdn/secrets.json: EOF while parsing an object at line 1 column 1",
      "hints": [
        "Correct [ROOT]/home/.kdn/secrets.json"
      ]
    }
    "#);
    assert_snapshot!(env.run(&["secret", "remove", "a"]), @r"
    exit code 1
    --- stderr
    Error: failed to remove secret: failed to parse secrets file: [ROOT]/home/.kdn/secrets.json: EOF while parsing an object at line 1 column 1
    Correct [ROOT]/home/.kdn/secrets.json
    ");
    assert_eq!(fs::read_to_string(list).unwrap(), "{");
    assert!(fs::read_to_string(env.values()).unwrap().contains("\"a\""));
}

/// Fails when a file below a folder holds the value.
fn assert_not_in_files(folder: &Path) {
    for name in Env::tree(folder) {
        let path = folder.join(name);
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{}", path.display());
        }
    }
}

/// Fails when the command line of a process of this machine holds the value.
fn assert_not_in_command_lines() {
    for process in fs::read_dir("/proc").into_iter().flatten() {
        let line = fs::read(process.unwrap().path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains(CANARY), "{line}");
    }
}

// SPEC: SEC-08, WORK-15
#[cfg(target_os = "linux")]
#[test]
fn a_value_gets_to_its_driver_and_nowhere_else() {
    let env = Env::new().with_values_file();
    let create = ["secret", "create", "gh", "--type", "github"];
    env.configure(&json!({"secrets": ["gh"], "environment": [{"name": "GITHUB_TOKEN", "value": "mine"}]}));
    let mut said = vec![
        env.run(&["init", "-r", "fake", "-a", "shell", "--start"]),
        env.run_with_stdin(&create, CANARY),
        env.run_with_stdin(&create, CANARY),
        env.run(&["secret", "list", "-o", "json"]),
        env.run(&["init", "-r", "fake", "-a", "shell", "--dump-config"]),
        env.run(&["init", "-r", "fake", "-a", "shell", "-p", "demo", "--start", "-v", "--progress", "json"]),
        env.run(&["list", "-o", "json"]),
        env.run(&["terminal", "app", "--", "/bin/sh", "-c", "echo $GH_TOKEN $GITHUB_TOKEN; set"]),
    ];
    assert_not_in_command_lines();
    assert_not_in_files(&env.home());
    said.push(env.run(&["stop", "app", "--show-logs"]));
    said.push(env.run(&["start", "app", "--show-logs", "--progress", "json"]));
    assert_not_in_files(&env.home());
    env.ok(&["stop", "app"]);
    for run in &said {
        assert!(!run.to_string().contains(CANARY), "{run}");
    }
    let codes: Vec<Option<i32>> = said.iter().map(|run| run.code).collect();
    assert_eq!(codes, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0].map(Some));
    assert!(said[7].stdout.starts_with("placeholder mine\n"), "{}", said[7]);

    env.ok(&["secret", "remove", "gh"]);
    assert_snapshot!(env.run(&["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to get the secrets of the workspace: secret "gh": secret not found
    'kdn secret create gh ...' makes it; 'kdn secret list' shows those that are there
    "#);
    assert_snapshot!(said[0], @r#"
    exit code 1
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Error: failed to get secret "gh" at index 0: secret "gh": secret not found
    'kdn secret create gh ...' makes it; 'kdn secret list' shows those that are there
    "#);
}

#[cfg(target_os = "linux")]
#[test]
fn a_variable_takes_its_value_from_a_secret() {
    let Some(env) = sandbox() else { return };
    let env = env.with_values_file();
    env.configure(&json!({"environment": [{"name": "TOKEN", "secret": "db"}]}));
    assert_eq!(
        env.run_with_stdin(&[&["secret", "create", "db"], &OTHER[..]].concat(), "first").code,
        Some(0)
    );
    env.ok(&["init", "-r", "sandbox", "-a", "shell", "-n", "app", "--start"]);
    let token = || env.ok(&["terminal", "app", "--", "/bin/sh", "-c", "echo $TOKEN"]);
    assert_eq!(token(), "first");
    env.ok(&["stop", "app"]);
    env.ok(&["secret", "remove", "db"]);
    let run = env.run(&["terminal", "app", "--", "/bin/sh", "-c", "echo $TOKEN"]);
    assert_snapshot!(run, @r#"
    exit code 125
    --- stderr
    Error: failed to auto-start instance: failed to get the secrets of the workspace: secret "db": secret not found
    'kdn secret create db ...' makes it; 'kdn secret list' shows those that are there
    "#);
    assert_eq!(
        env.run_with_stdin(&[&["secret", "create", "db"], &OTHER[..]].concat(), "second").code,
        Some(0)
    );
    assert_eq!(token(), "second");
    env.ok(&["remove", "app", "--force"]);
}

#[test]
fn a_workspace_without_secrets_needs_no_place_for_them() {
    let env = Env::new().set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    env.ok(&["init", "-r", "fake", "-a", "shell"]);
    env.ok(&["start", "app"]);
    env.ok(&["stop", "app"]);
    env.ok(&["secret", "list"]);
    assert_eq!(Env::tree(&env.storage()).iter().find(|name| name.contains("secret")), None);
}

#[test]
fn another_kdn_is_waited_for() {
    let env = env();
    fs::create_dir(env.storage()).unwrap();
    let lock = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(env.storage().join("secrets.json.lock"));
    let lock = lock.unwrap();
    lock.lock().unwrap();
    let create = |name| ["secret", "create", name, "--type", "github", "--value", "x"];
    let mut first = env.start(&create("first"));
    let mut second = env.start(&create("second"));
    first.expect("Waiting for another kdn to finish with the secrets");
    second.expect("Waiting for another kdn to finish with the secrets").signal(Signal::INT);
    assert_eq!(second.finish().code, Some(130));
    drop(lock);
    assert_eq!(first.finish().code, Some(0));
    assert!(!env.ok(&["secret", "list"]).contains("second"));
}
