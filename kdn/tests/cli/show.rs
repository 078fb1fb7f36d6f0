//! `workspace show`.

use insta::assert_snapshot;

use crate::support::Env;

#[test]
fn all_that_is_known_of_a_workspace() {
    let env = Env::with_app(&["-m", "ollama::qwen3", "--start"]);
    assert_snapshot!(env.run(&["workspace", "show", "app", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "agent": "claude",
      "forwards": [],
      "id": "[ID]",
      "model": "ollama::qwen3",
      "name": "app",
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
      },
      "info": {
        "agent": "claude",
        "source": "[ROOT]/home/src/app"
      },
      "instance": "fake-001",
      "secrets": []
    }
    "#);
    let text = env.run(&["workspace", "show", "app"]).to_string();
    let text: Vec<&str> = text.lines().filter(|line| !line.contains("ed:  ")).collect();
    assert_snapshot!(text.join("\n"), @r"
    exit code 0
    --- stdout
    Name:          app
    ID:            [ID]
    State:         running for Ns
    Project:       demo
    Sources:       ~/src/app
    Configuration: ~/src/app/.kaiden
    Agent:         claude
    Model:         ollama::qwen3
    Runtime:       fake
    Instance:      fake-001
    Info:          agent: claude
    Info:          source: [ROOT]/home/src/app
    ");
    std::fs::remove_file(env.bin().join("kdn-runtime-fake")).unwrap();
    let run = env.run(&["workspace", "show", "app"]);
    assert!(run.stdout.contains("running?"), "{run}");
    assert_snapshot!(run.stderr, @r"
    Warning: the last known state is shown: failed to get runtime: runtime not found: fake
    Put its driver, an executable named kdn-runtime-fake, on PATH; 'kdn runtime list' shows those that are there
    ");
    assert_eq!(env.run(&["workspace", "show", "app", "--no-refresh"]).stderr, "");
    assert_snapshot!(env.run(&["workspace", "show", "nope"]), @r"
    exit code 1
    --- stderr
    Error: workspace not found: nope
    Use 'workspace list' to see available workspaces
    ");
    assert_snapshot!(env.run(&["workspace", "show", "nope", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "workspace not found: nope",
      "hints": [
        "Use 'workspace list' to see available workspaces"
      ]
    }
    "#);
}
