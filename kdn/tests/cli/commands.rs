//! What each command prints: as text, as JSON, and when it fails.

use insta::assert_snapshot;

use crate::support::{Env, INIT};

#[test]
fn version() {
    let env = Env::with_drivers(&[]);
    assert_snapshot!(env.run(&["version"]), @r"
    exit code 0
    --- stdout
    kdn version [VERSION]
    ");
    assert_snapshot!(env.run(&["--version"]), @r"
    exit code 0
    --- stdout
    kdn version [VERSION]
    ");
}

#[test]
fn init() {
    let env = Env::new();
    let with = |more: &[&str]| env.run(&[&INIT, more].concat());
    assert_snapshot!(with(&[]), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Writing files
    Files written
    Creating instance
    Instance created
    "#);
    assert_snapshot!(with(&["-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "id": "[ID]"
    }
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    "#);
    assert_snapshot!(with(&["-v", "-n", "My App!", "-m", "ollama::qwen3::http://localhost:1", "--start"]), @r#"
    exit code 0
    --- stdout
    Registered workspace:
      ID: [ID]
      Name: my-app
      Project: demo
      Agent: claude
      Model: qwen3
      Provider: ollama
      Base URL: http://localhost:1
      Sources directory: [ROOT]/home/src/app
      Configuration directory: [ROOT]/home/src/app/.kaiden
      State: running
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Writing files
    Files written
    Creating instance
    Instance created
    Preparing instance
    Instance prepared
    Starting instance
    Instance started
    "#);
    env.configure(&serde_json::json!({"ports": [80]}));
    assert_snapshot!(with(&["--dump-config", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "ports": [
        80
      ]
    }
    "#);
    env.configure(&serde_json::json!({}));
    assert_snapshot!(with(&["-v", "-o", "json", "--start", "-m", "opus"]), @r#"
    exit code 0
    --- stdout
    {
      "agent": "claude",
      "forwards": [],
      "id": "[ID]",
      "model": "opus",
      "name": "app-3",
      "paths": {
        "configuration": "[ROOT]/home/src/app/.kaiden",
        "source": "[ROOT]/home/src/app"
      },
      "project": "demo",
      "runtime": "fake",
      "state": "running",
      "timestamps": {
        "created": [TIME],
        "started": [TIME]
      }
    }
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    "#);
}

// SPEC: ERR-12
#[test]
fn init_without_what_it_needs() {
    let env = Env::new();
    assert_snapshot!(env.run(&["init"]), @r"
    exit code 1
    --- stderr
    Error: runtime is required: use --runtime flag or set KDN_DEFAULT_RUNTIME environment variable
    'kdn runtime list' shows the runtimes that are there
    ");
    assert_snapshot!(env.run(&["init", "-r", "fake", "-a", ""]), @r"
    exit code 1
    --- stderr
    Error: agent is required: use --agent flag or set KDN_DEFAULT_AGENT environment variable
    Agents found: claude, codex, cursor, gemini, goose, openclaw, opencode, shell
    ");
    assert_snapshot!(env.run(&["init", "-r", "docker", "-a", "claude"]), @r"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime not found: docker
    Put its driver, an executable named kdn-runtime-docker, on PATH; 'kdn runtime list' shows those that are there
    ");
    assert_eq!(env.ok(&["init", "-r", "docker", "-a", "claude", "--dump-config"]), "{}");
    assert_snapshot!(env.run(&["init", "-r", "docker", "-a", "claude", "nowhere"]), @r"
    exit code 1
    --- stderr
    Error: sources directory does not exist: [ROOT]/home/src/app/nowhere
    ");
    assert_snapshot!(env.run(&["init", "-r", "fake", "-a", "claude", "../../.././bin/kdn"]), @r"
    exit code 1
    --- stderr
    Error: sources path is not a directory: [ROOT]/bin/kdn
    ");
    assert_snapshot!(env.run(&["init", "-r", "fake", "-a", "nobody", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "failed to create runtime instance: agent \"nobody\" is not known, and has no command that is found",
      "hints": [
        "take one of these agents: claude, codex, cursor, gemini, goose, openclaw, opencode, shell"
      ]
    }
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    "#);
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    No workspaces registered
    ");
}

#[test]
fn init_takes_its_defaults_from_the_environment() {
    let env = Env::new()
        .set("KDN_DEFAULT_RUNTIME", "fake")
        .set("KDN_DEFAULT_AGENT", "goose")
        .set("KDN_INIT_AUTO_START", "yes");
    let env = {
        let storage = env.root().join("elsewhere");
        env.set("KDN_STORAGE", storage)
    };
    env.ok(&["init", ".."]);
    let [workspace] = &env.list()[..] else { panic!("one workspace") };
    assert_eq!(
        (&workspace["name"], &workspace["agent"], &workspace["state"]),
        (&"src".into(), &"goose".into(), &"running".into())
    );
    assert_eq!(workspace["paths"]["source"], env.home().join("src").to_str().unwrap());
    assert!(!env.storage().exists());
    assert_snapshot!(env.run(&["--storage", "../other", "list"]), @r"
    exit code 0
    --- stdout
    No workspaces registered
    ");
}

#[test]
fn list() {
    let env = Env::with_app(&[]);
    env.ok(&[
        "init",
        "-r",
        "fake",
        "-a",
        "goose",
        "-p",
        "demo",
        "-m",
        "ollama::qwen3",
        "-n",
        "second",
        "--start",
    ]);
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    second         demo             goose        fake     running
    [SHORT ID  ]   ~/src/app        qwen3                 for Ns
    app            demo             claude       fake     stopped
    [SHORT ID  ]   ~/src/app
    ");
    assert_snapshot!(env.run(&["list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "agent": "claude",
          "forwards": [],
          "id": "[ID]",
          "name": "app",
          "paths": {
            "configuration": "[ROOT]/home/src/app/.kaiden",
            "source": "[ROOT]/home/src/app"
          },
          "project": "demo",
          "runtime": "fake",
          "state": "stopped",
          "timestamps": {
            "created": [TIME]
          }
        },
        {
          "agent": "goose",
          "forwards": [],
          "id": "[ID]",
          "model": "ollama::qwen3",
          "name": "second",
          "paths": {
            "configuration": "[ROOT]/home/src/app/.kaiden",
            "source": "[ROOT]/home/src/app"
          },
          "project": "demo",
          "runtime": "fake",
          "state": "running",
          "timestamps": {
            "created": [TIME],
            "started": [TIME]
          }
        }
      ]
    }
    "#);
    assert_snapshot!(env.run(&["list", "--quiet", "--no-refresh"]), @r"
    exit code 0
    --- stdout
    [ID]
    [ID]
    ");
}

#[test]
fn list_of_a_broken_file() {
    let env = Env::new();
    std::fs::create_dir(env.storage()).unwrap();
    std::fs::write(env.storage().join("instances.json"), "[{}]").unwrap();
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 1
    --- stderr
    Error: failed to list instances: failed to parse [ROOT]/home/.kdn/instances.json: missing field `id` at line 1 column 3
    Correct [ROOT]/home/.kdn/instances.json, or move it away to start with an empty list
    ");
    assert_snapshot!(env.run(&["list", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "failed to list instances: failed to parse [ROOT]/home/.kdn/instances.json: missing field `id` at line 1 column 3",
      "hints": [
        "Correct [ROOT]/home/.kdn/instances.json, or move it away to start with an empty list"
      ]
    }
    "#);
}

#[test]
fn list_without_workspaces() {
    let env = Env::new();
    assert_snapshot!(env.run(&["list"]), @r"
    exit code 0
    --- stdout
    No workspaces registered
    ");
    assert_snapshot!(env.run(&["list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": []
    }
    "#);
    assert_snapshot!(env.run(&["list", "-q"]), @"exit code 0");
}

#[test]
fn start_and_stop() {
    let env = Env::with_app(&[]);
    assert_snapshot!(env.run(&["start", "app"]), @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Preparing instance
    Instance prepared
    Starting instance
    Instance started
    ");
    assert_snapshot!(env.run(&["start", "app", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "id": "[ID]"
    }
    "#);
    assert_snapshot!(env.run(&["stop", "app", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "id": "[ID]"
    }
    "#);
    assert_snapshot!(env.run(&["stop", "app"]), @r"
    exit code 0
    --- stdout
    [ID]
    ");
}

#[test]
fn remove() {
    let env = Env::with_app(&[]);
    env.ok(&["start", "app"]);
    assert_snapshot!(env.run(&["remove", "app"]), @r"
    exit code 1
    --- stderr
    Error: workspace is running; stop it first or use --force
    ");
    assert_snapshot!(env.run(&["remove", "app", "--force"]), @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Ending processes
    Processes ended
    Stopping instance
    Instance stopped
    Checking instance
    Instance checked
    Removing instance
    Instance removed
    ");
    env.ok(&INIT);
    assert_snapshot!(env.run(&["remove", "app", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "id": "[ID]"
    }
    "#);
    assert_snapshot!(env.run(&["remove", "app", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "workspace not found: app",
      "hints": [
        "Use 'workspace list' to see available workspaces"
      ]
    }
    "#);
}

#[test]
fn not_found() {
    let env = Env::with_app(&[]);
    assert_snapshot!(env.run(&["start", "nope"]), @r"
    exit code 1
    --- stderr
    Error: workspace not found: nope
    Use 'workspace list' to see available workspaces
    ");
    assert_snapshot!(env.run(&["stop", "nope", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "workspace not found: nope",
      "hints": [
        "Use 'workspace list' to see available workspaces"
      ]
    }
    "#);
    assert_snapshot!(env.run(&["terminal", "nope"]), @r"
    exit code 125
    --- stderr
    Error: workspace not found: nope
    Use 'workspace list' to see available workspaces
    ");
}

#[cfg(target_os = "linux")]
#[test]
fn terminal_for_a_command_that_is_not_there() {
    let env = Env::with_app(&[]);
    assert_snapshot!(env.run(&["terminal", "app", "no-such-command"]), @r"
    exit code 127
    --- stderr
    Preparing instance
    Instance prepared
    Starting instance
    Instance started
    kdn-runtime-fake: command not found: no-such-command
    hint: install it, or add its folder to PATH
    ");
}

#[test]
fn info_and_runtime_list() {
    let env = Env::new();
    assert_snapshot!(env.run(&["info"]), @r"
    exit code 0
    --- stdout
    Version: [VERSION]
    Agents:
    Runtimes:
    ");
    assert_snapshot!(env.run(&["info", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "agents": [],
      "runtimes": [],
      "version": "[VERSION]"
    }
    "#);
    assert_snapshot!(env.run(&["runtime", "list"]), @r"
    exit code 0
    --- stdout
    No runtimes available
    ");
    assert_snapshot!(env.run(&["runtime", "list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": []
    }
    "#);
    assert_snapshot!(env.run(&["runtime", "list", "--all"]), @r"
    exit code 0
    --- stdout
    NAME  DESCRIPTION                                                                      LOCAL  DRIVER                                NOTE
    fake  Runs workspaces as ordinary processes of the user, without isolation; for tests  yes    [ROOT]/bin/kdn-runtime-fake  hidden, but usable by its name
    ");
}

// SPEC: DISC-05, DISC-09
#[test]
fn runtime_list_tells_what_is_not_used() {
    let env = Env::with_drivers(&[]).with_bad("good");
    let second = env.root().join("second");
    std::fs::create_dir(&second).unwrap();
    for name in ["kdn-runtime-bad", "kdn-runtime-broken"] {
        std::fs::write(second.join(name), "").unwrap();
    }
    let env = env.set("PATH", second);
    assert_snapshot!(env.run(&["runtime", "list", "--all", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "description": "Misbehaves",
          "local": true,
          "name": "bad",
          "path": "[ROOT]/bin/kdn-runtime-bad"
        },
        {
          "description": "",
          "local": true,
          "name": "bad",
          "path": "[ROOT]/second/kdn-runtime-bad",
          "unused": "not executable"
        },
        {
          "description": "",
          "local": true,
          "name": "broken",
          "path": "[ROOT]/second/kdn-runtime-broken",
          "unused": "not executable"
        }
      ]
    }
    "#);
    assert_snapshot!(env.run(&["init", "-r", "broken", "-a", "claude"]), @r"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime not found: broken
    [ROOT]/second/kdn-runtime-broken was not used: not executable
    ");
}

#[test]
fn aliases_do_the_same() {
    let env = Env::with_app(&[]);
    for [alias, name] in [
        ["ls", "list"],
        ["workspace list", "list"],
        ["workspace start app", "start app"],
        ["workspace stop app", "stop app"],
    ] {
        let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
        assert_eq!(env.ok(&words(alias)), env.ok(&words(name)), "{alias}");
    }
    assert_eq!(
        env.run(&["workspace", "terminal", "nope"]).to_string(),
        env.run(&["terminal", "nope"]).to_string()
    );
    for remove in [&["rm"][..], &["workspace", "rm"], &["workspace", "remove"]] {
        env.ok(&["init", "-r", "fake", "-a", "claude", "-n", "other", "-o", "json"]);
        env.ok(&[remove, &["other"]].concat());
    }
    assert_eq!(env.list().len(), 1);
}

#[test]
fn progress() {
    let env = Env::new();
    let init = |more: &[&str]| {
        env.run(&[&["init", "-r", "fake", "-a", "claude", "--fake-steps", "1"], more].concat())
    };
    assert_snapshot!(init(&["--progress", "plain", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "id": "[ID]"
    }
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Writing files
    Files written
    Taking step 1 of 1
    Step 1 of 1 taken
    Creating instance
    Instance created
    "#);
    assert_snapshot!(init(&["--progress", "json", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "id": "[ID]"
    }
    --- stderr
    {"event":"note","text":"Warning: runtime \"fake\" does not isolate: the agent runs as you, with all your files in reach"}
    {"event":"start","inProgress":"Writing files","completed":"Files written"}
    {"event":"complete"}
    {"event":"start","inProgress":"Taking step 1 of 1","completed":"Step 1 of 1 taken"}
    {"event":"complete"}
    {"event":"start","inProgress":"Creating instance","completed":"Instance created"}
    {"event":"complete"}
    "#);
    assert_snapshot!(init(&["--progress=none"]), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    "#);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let env = Env::with_app(&[]);
    for args in [&["list"][..], &["list", "-o", "json"], &["start", "app"], &["--help"], &["init", "--help"]]
    {
        let mut command = env.command(args);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        assert!(output.status.success(), "{args:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("Error"), "{args:?}");
    }
}

#[test]
fn a_result_that_can_not_be_written_is_an_error() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let output = Env::with_app(&[]).command(&["list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("No space left on device"));
}
