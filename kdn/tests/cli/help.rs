//! Help, and the examples in it: each of them works.

use std::{fs, process::Command};

use insta::assert_snapshot;

use crate::support::{Env, skip_unless};

pub(crate) const COMMANDS: &[&str] = &[
    "",
    "init",
    "provider",
    "provider create",
    "provider list",
    "provider remove",
    "secret",
    "secret create",
    "secret list",
    "secret remove",
    "service",
    "service list",
    "list",
    "remove",
    "start",
    "stop",
    "terminal",
    "open",
    "dashboard",
    "autoconf",
    "completion",
    "man",
    "config",
    "config schema",
    "info",
    "version",
    "runtime",
    "runtime list",
    "runtime new",
    "runtime test",
    "workspace",
    "workspace list",
    "workspace remove",
    "workspace show",
    "workspace start",
    "workspace stop",
    "workspace terminal",
    "workspace open",
    "workspace dashboard",
];

fn help(env: &Env, command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    env.ok(&words)
}

#[test]
fn root() {
    let env = Env::with_drivers(&[]);
    assert_snapshot!(env.run(&[]), @r"
    exit code 0
    --- stdout
    Run AI agents in isolated workspaces
    A workspace is a project directory and an instance of a runtime: a sandbox, a
    container, a pod. The agent works on your files, and sees little else of your
    machine.
    Usage: kdn [OPTIONS] [COMMAND]
    Main Commands:
      init        Register a project directory as a workspace
      list        List the workspaces [alias: ls]
      start       Start a workspace
      stop        Stop a workspace
      remove      Remove a workspace [alias: rm]
      terminal    Open a terminal in a workspace
      open        Open a forwarded port of a workspace
      dashboard   Open the dashboard of a workspace
    Workspace Commands:
      workspace   Manage workspaces
    Secret Commands:
      secret      Manage secrets
      service     Show the services that secrets can belong to
      provider    Manage providers of models
    Configuration Commands:
      autoconf    Find what workspaces can use, and add it to the configuration
      config      Show what configurations and JSON results may say
    Runtime Commands:
      runtime     Manage runtimes
    Additional Commands:
      completion  Print the completion script of a shell
      info        Show the version, the agents and the runtimes of this machine
      version     Print the version of kdn
    Options:
          --storage <DIR>
              Folder of kdn's state [default: $KDN_STORAGE, else ~/.kdn]
      -h, --help
              Print help (see a summary with '-h')
      -V, --version
              Print version
    Examples:
      kdn init ~/src/my-project --agent claude
      kdn terminal my-project
      kdn list
    ");
    assert_eq!(env.run(&[]).stdout, env.run(&["--help"]).stdout);
}

#[test]
fn no_command_is_missing_here() {
    let env = Env::with_drivers(&[]);
    let of = |parent: &str| -> Vec<String> {
        let help = help(&env, parent);
        let commands = help.lines().skip_while(|line| !line.ends_with("ommands:"));
        let names = commands
            .take_while(|line| *line != "Options:")
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        names
            .filter(|name| !matches!(*name, "" | "help"))
            .map(|name| format!("{parent} {name}").trim().to_owned())
            .collect()
    };
    let mut all: Vec<String> = ["", "workspace", "secret", "service", "provider", "config", "runtime"]
        .into_iter()
        .flat_map(of)
        .chain(["", "man"].map(str::to_owned))
        .collect();
    all.sort();
    let mut known = COMMANDS.to_vec();
    known.sort_unstable();
    assert_eq!(all, known);
}

#[test]
fn every_example_works() {
    let tools: Option<Vec<_>> = ["git", "sh", "bash"].into_iter().map(skip_unless).collect();
    let Some(tools) = tools else { return };
    for command in COMMANDS {
        let help = help(&Env::with_drivers(&[]), command);
        let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  kdn ")).collect();
        assert!(!examples.is_empty(), "kdn {command} has no examples");
        for example in examples {
            let env = Env::new().with_values_file().set("KDN_DEFAULT_RUNTIME", "fake");
            for tool in &tools {
                env.tool(tool);
            }
            env.program("claude");
            env.program("kdn-conformance");
            let project = env.home().join("src/my-project");
            fs::create_dir(&project).unwrap();
            git(&project, &["init", "-q"]);
            git(&project, &["commit", "-q", "--allow-empty", "-m", "start"]);
            if !example.starts_with("init") {
                fs::create_dir(project.join(".kaiden")).unwrap();
                fs::write(project.join(".kaiden/workspace.json"), r#"{"ports": [8080]}"#).unwrap();
                let start = if example.contains("dashboard") { "--start" } else { "-v" };
                env.ok(&["init", project.to_str().unwrap(), "--agent", "claude", start]);
            }
            if example.contains("remove example-") {
                let secret = ["--type", "github", "--value", "x"];
                env.ok(&[&["secret", "create", "example-token"], &secret[..]].concat());
                let provider = ["--type", "anthropic", "--token", "x"];
                env.ok(&[&["provider", "create", "example-provider"], &provider[..]].concat());
            }
            let home = env.home().display().to_string();
            let example = example
                .replace("--runtime sandbox", "--runtime fake")
                .replace("test sandbox", "test fake")
                .replace('~', &home);
            env.ok(&example.split(' ').collect::<Vec<_>>());
        }
    }
}

fn git(folder: &std::path::Path, args: &[&str]) {
    let me = ["-c", "user.name=me", "-c", "user.email=me@example.com"];
    let status = Command::new("git").args(me).args(args).current_dir(folder).status().unwrap();
    assert!(status.success());
}
