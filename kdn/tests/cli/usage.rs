//! Wrong usage: one line that says what is wrong, a hint, exit code 2.

use std::fmt::Write as _;

use insta::assert_snapshot;

use crate::support::Env;

/// What kdn says to these words.
fn said(lines: &[&str]) -> String {
    let env = Env::with_drivers(&[]);
    let mut all = String::new();
    for line in lines {
        let run = env.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(run.code, Some(2), "{line}: {run}");
        let _ = writeln!(all, "$ kdn {line}\n{}{}", run.stdout, run.stderr);
    }
    all
}

#[test]
fn too_many_words_or_too_few() {
    let all = said(&[
        "quux",
        "workspace quux",
        "runtime list x",
        "info x",
        "version x",
        "service list x",
        "config schema a b",
        "man a b",
        "help nope",
        "runtime test a b -- c",
        "list x",
        "start",
        "start a b c",
        "--storage s workspace stop a b",
        "terminal",
        "init a b",
    ]);
    assert_snapshot!(all, @r#"
    $ kdn quux
    Error: unknown command "quux" for "kdn"
    Run 'kdn --help' for its usage

    $ kdn workspace quux
    Error: unknown command "quux" for "kdn workspace"
    Run 'kdn workspace --help' for its usage

    $ kdn runtime list x
    Error: unknown command "x" for "kdn runtime list"
    Run 'kdn runtime list --help' for its usage

    $ kdn info x
    Error: unknown command "x" for "kdn info"
    Run 'kdn info --help' for its usage

    $ kdn version x
    Error: unknown command "x" for "kdn version"
    Run 'kdn version --help' for its usage

    $ kdn service list x
    Error: unknown command "x" for "kdn service list"
    Run 'kdn service list --help' for its usage

    $ kdn config schema a b
    Error: accepts at most 1 arg(s), received 2
    Run 'kdn config schema --help' for its usage

    $ kdn man a b
    Error: accepts at most 1 arg(s), received 2
    Run 'kdn man --help' for its usage

    $ kdn help nope
    Error: unknown command "nope" for "kdn help"
    Run 'kdn --help' for its usage

    $ kdn runtime test a b -- c
    Error: accepts 1 arg(s), received 2
    Run 'kdn runtime test --help' for its usage

    $ kdn list x
    Error: unknown command "x" for "kdn list"
    Run 'kdn list --help' for its usage

    $ kdn start
    Error: accepts 1 arg(s), received 0
    Run 'kdn start --help' for its usage

    $ kdn start a b c
    Error: accepts 1 arg(s), received 3
    Run 'kdn start --help' for its usage

    $ kdn --storage s workspace stop a b
    Error: accepts 1 arg(s), received 2
    Run 'kdn workspace stop --help' for its usage

    $ kdn terminal
    Error: requires at least 1 arg(s), only received 0
    Run 'kdn terminal --help' for its usage

    $ kdn init a b
    Error: accepts at most 1 arg(s), received 2
    Run 'kdn init --help' for its usage
    "#);
}

#[test]
fn flags_as_scripts_write_them() {
    let env = Env::new().set("KDN_INIT_AUTO_START", "1").set("KDN_DEFAULT_AGENT", "shell");
    let state = |args: &[&str]| {
        let args = [&["init", "-r", "nope", "-r", "fake", "-vojson"], args].concat();
        serde_json::from_str::<serde_json::Value>(&env.ok(&args)).unwrap()["state"].clone()
    };
    assert_eq!(state(&[]), "running");
    assert_eq!(state(&["--start=false"]), "stopped");
    assert_eq!(state(&["--no-start", "--start=true"]), "running");
    env.ok(&["remove", "app", "--force=1"]);
    assert_eq!(
        env.ok(&["list", "--quiet=true", "-q=false", "-o=json", "-o", "json"]).lines().next(),
        Some("{")
    );
}

#[test]
fn wrong_flags_and_values() {
    let all = said(&[
        "list --outptu json",
        "start -x a",
        "init -ra --name",
        "list -o xml",
        "stop a -vo json",
        "remove a --force=maybe",
        "completion tcsh",
        "init --progress fast",
        "init --show-logs -o json",
    ]);
    assert_snapshot!(all, @r#"
    $ kdn list --outptu json
    Error: unknown flag: --outptu
    Did you mean --output?
    Run 'kdn list --help' for its usage

    $ kdn start -x a
    Error: unknown shorthand flag: 'x' in -x
    Run 'kdn start --help' for its usage

    $ kdn init -ra --name
    Error: flag needs an argument: --name
    Run 'kdn init --help' for its usage

    $ kdn list -o xml
    Error: unsupported output format: xml (supported: json)
    Run 'kdn list --help' for its usage

    $ kdn stop a -vo json
    {
      "error": "unknown shorthand flag: 'v' in -v",
      "hints": [
        "Run 'kdn stop --help' for its usage"
      ]
    }

    $ kdn remove a --force=maybe
    Error: --force takes no value but true and false: "maybe"
    Run 'kdn remove --help' for its usage

    $ kdn completion tcsh
    Error: invalid value "tcsh" for SHELL (supported: bash, zsh, fish, powershell)
    Did you mean zsh?
    Run 'kdn completion --help' for its usage

    $ kdn init --progress fast
    Error: invalid value "fast" for --progress (supported: auto, plain, json, none)
    Run 'kdn init --help' for its usage

    $ kdn init --show-logs -o json
    {
      "error": "--show-logs cannot be used with --output json"
    }
    "#);
}

#[test]
fn with_json_the_error_is_the_document() {
    let env = Env::with_drivers(&[]);
    assert_snapshot!(env.run(&["start", "--output", "json"]), @r#"
    exit code 2
    --- stdout
    {
      "error": "accepts 1 arg(s), received 0",
      "hints": [
        "Run 'kdn start --help' for its usage"
      ]
    }
    "#);
    assert_snapshot!(env.run(&["remove", "-ojson", "a", "--nope"]), @r#"
    exit code 2
    --- stdout
    {
      "error": "unknown flag: --nope",
      "hints": [
        "Run 'kdn remove --help' for its usage"
      ]
    }
    "#);
    // What comes after `--` is not for kdn.
    assert_snapshot!(env.run(&["start", "--", "a", "-o", "json"]), @r"
    exit code 2
    --- stderr
    Error: accepts 1 arg(s), received 3
    Run 'kdn start --help' for its usage
    ");
}

#[test]
fn only_a_driver_that_is_asked_for_adds_flags() {
    let env = Env::new();
    assert_snapshot!(env.run(&["init", "--fake-steps", "3"]), @r"
    exit code 2
    --- stderr
    Error: unknown flag: --fake-steps
    Run 'kdn init --help' for its usage
    ");
    assert_snapshot!(env.run(&["init", "--fake-steps", "3", "-rfake", "-a", "shell", "--fake-nope", "1"]), @r"
    exit code 2
    --- stderr
    Error: unknown flag: --fake-nope
    Did you mean --fake-steps?
    Run 'kdn init --help' for its usage
    ");
    env.ok(&["init", "--fake-steps", "3", "--runtime=fake", "-a", "shell"]);
}
