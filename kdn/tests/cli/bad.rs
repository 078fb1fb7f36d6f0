//! Drivers that misbehave: what the user sees, and that nothing is left of them.

use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::support::{Env, Run};

fn bad(misbehaviour: &str) -> Env {
    Env::with_drivers(&[]).with_bad(misbehaviour)
}

/// Makes a workspace while the driver misbehaves; afterwards nothing of it may be left.
fn init(misbehaviour: &str) -> Run {
    let env = bad(misbehaviour);
    let run = env.run(&["init", "-r", "bad", "-a", "claude", "-p", "demo"]);
    env.assert_no_processes();
    assert_ne!(run.code, Some(0), "{run}");
    assert!(!run.to_string().contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{run}");
    assert_eq!(env.list().len(), 0);
    for folder in ["pending", "locks"] {
        assert_eq!(Env::tree(&env.storage().join(folder)), [""; 0], "{folder}");
    }
    run
}

/// A workspace that was made while the driver was good.
fn with_app(misbehaviour: &str) -> Env {
    let env = bad("good");
    env.ok(&["init", "-r", "bad", "-a", "claude", "-p", "demo"]);
    env.set("BAD", misbehaviour)
}

#[test]
fn a_good_one_has_a_name_in_the_lists() {
    let env = bad("good");
    assert_snapshot!(env.run(&["info"]), @r"
    exit code 0
    --- stdout
    Version: [VERSION]
    Agents: aider, claude
    Runtimes: bad
    ");
    assert_snapshot!(env.run(&["runtime", "list"]), @r"
    exit code 0
    --- stdout
    NAME  DESCRIPTION  LOCAL
    bad   Misbehaves   yes
    ");
    assert_snapshot!(env.run(&["runtime", "list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "description": "Misbehaves",
          "local": true,
          "name": "bad"
        }
      ]
    }
    "#);
}

#[test]
fn it_says_that_it_is_another() {
    assert_snapshot!(init("wrong-type"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ([ROOT]/bin/kdn-runtime-bad) says that its type is "other"
    "#);
    assert_snapshot!(bad("wrong-type").run(&["runtime", "list"]), @r#"
    exit code 0
    --- stdout
    No runtimes available
    --- stderr
    Warning: runtime driver "bad" ([ROOT]/bin/kdn-runtime-bad) says that its type is "other"
    "#);
    assert_snapshot!(bad("wrong-type").run(&["info"]), @r#"
    exit code 0
    --- stdout
    Version: [VERSION]
    Agents:
    Runtimes:
    --- stderr
    Warning: failed to get runtime: runtime driver "bad" ([ROOT]/bin/kdn-runtime-bad) says that its type is "other"
    "#);
}

#[test]
fn it_prints_garbage() {
    assert_snapshot!(init("garbage"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ended before it answered initialize: it printed more than 100 lines on stdout that are no messages; 101 stray lines on stdout, the first: "garbage"
    "#);
    // A little is put up with.
    let env = bad("chatty");
    env.ok(&["init", "-r", "bad", "-a", "claude"]);
}

#[test]
fn it_does_not_answer_at_all() {
    let env = with_app("mute");
    let begin = Instant::now();
    assert_snapshot!(env.run(&["list"]), @r#"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      stopped?
    [SHORT ID  ]   ~/src/app
    --- stderr
    Warning: the last known states are shown: runtime driver "bad" did not list its instances within 4s
    "#);
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    env.assert_no_processes();
}

#[test]
fn it_does_not_answer_to_list() {
    let env = with_app("mute-list");
    let begin = Instant::now();
    assert_snapshot!(env.run(&["list"]), @r#"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      stopped?
    [SHORT ID  ]   ~/src/app
    --- stderr
    Warning: the last known states are shown: failed to list the instances of runtime "bad": runtime driver "bad" did not answer list within 2 s
    "#);
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    env.assert_no_processes();
}

#[test]
fn it_crashes() {
    assert_snapshot!(init("crash"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 3
    Its stderr ends with:
      panic: out of luck
    "#);
}

#[test]
fn it_returns_a_state_that_is_none() {
    assert_snapshot!(init("created"), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid state: invalid runtime state: "created" (must be one of: running, stopped, error, unknown)
    "#);
}

#[test]
fn it_returns_an_id_that_climbs() {
    assert_snapshot!(init("climbing"), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid instance id: "../../etc"
    "#);
}

#[test]
fn it_returns_the_instance_of_another_workspace() {
    assert_snapshot!(init("stranger"), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned an instance of another workspace
    "#);
}

#[test]
fn what_it_prints_is_shown_on_request_only() {
    let run = |more: &[&str]| {
        let mut run = bad("noisy").run(&[&["init", "-r", "bad", "-a", "claude"], more].concat());
        // What comes from its stderr has no place in the order of the rest.
        let (warnings, rest): (Vec<_>, Vec<_>) = run.stderr.lines().partition(|line| line.contains("slow"));
        let (warnings, rest) = (warnings.concat(), rest.join("\n"));
        run.stderr = rest;
        (run, warnings)
    };
    let (quiet, warnings) = run(&[]);
    assert_snapshot!(quiet, @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Pulling
    Pulled
    ");
    assert_eq!(warnings, "");
    let (plain, warnings) = run(&["--show-logs"]);
    assert_snapshot!(plain, @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Pulling
    layer 1
    layer 2
    Pulled
    ");
    assert_eq!(warnings, r"warning: \u{1b}[31mslow");
    let (json, warnings) = run(&["--show-logs", "--progress", "json"]);
    assert_snapshot!(json, @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    {"event":"start","inProgress":"Pulling","completed":"Pulled"}
    {"event":"log","stream":"stdout","text":"layer 1\nlayer 2\n"}
    {"event":"complete"}
    "#);
    assert_eq!(warnings, r#"{"event":"log","stream":"stderr","text":"warning: \u001b[31mslow\n"}"#);
}

#[test]
fn it_writes_to_the_terminal() {
    assert_snapshot!(init("escapes"), @r"
    exit code 1
    --- stderr
    ⚠️  \u{1b}[2J\u{202e}Bad runtime support is experimental
    \u{1b}[31mMaking\nit
    Error: failed to create runtime instance: no \u{1b}]0;title\u{7} way
    \u{1b}[1mtry \u{9b}2J
    ");
}

#[test]
fn its_answer_lacks_what_it_must_have() {
    let env = with_app("malformed");
    assert_snapshot!(env.run(&["remove", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime info: runtime driver "bad" gave a malformed answer to info: invalid type: integer `1`, expected a string at line 1 column 7
    Use --force to forget the workspace, whatever its runtime still holds
    "#);
    assert_eq!(env.list().len(), 1);
    assert_snapshot!(env.run(&["remove", "app", "--force"]), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: failed to get runtime info: runtime driver "bad" gave a malformed answer to info: invalid type: integer `1`, expected a string at line 1 column 7
    The workspace was forgotten; instance bad-1 of runtime "bad" may be left behind
    "#);
    assert_eq!(env.list().len(), 0);
}

#[test]
fn it_is_busy() {
    let env = with_app("busy");
    // That passes, so nothing is forgotten.
    assert_snapshot!(env.run(&["remove", "app", "--force"]), @r"
    exit code 1
    --- stderr
    Error: failed to remove runtime instance: being copied
    ");
    assert_eq!(env.list().len(), 1);
}

#[test]
fn its_way_into_a_workspace_is_relative() {
    let env = with_app("relative");
    assert_snapshot!(env.run(&["terminal", "app"]), @r#"
    exit code 125
    --- stderr
    Error: runtime "bad" returned a terminal program that is not an absolute path: "sh"
    "#);
    assert_eq!(env.set("BAD", "good").run(&["terminal", "app"]).code, Some(9));
}

#[test]
fn its_flags_are_not_flags() {
    let env = bad("good");
    let help = env.ok(&["init", "-r", "bad", "--help"]);
    assert_snapshot!(help.split("Options of the runtime").nth(1).unwrap(), @r"
     bad:
          --bad-size <VALUE>
              Size

          --sources <VALUE>
              Sources

    Examples:
      kdn init --runtime sandbox --agent claude
      kdn init ~/src/my-project --agent shell --start
      kdn init --name review --agent goose --model ollama::qwen3
    ");
    env.ok(&["init", "-r", "bad", "-a", "claude", "--bad-size", "3", "--sources", "x"]);
}
