//! Steps, logs and texts that are too many, misplaced, or meant for the terminal.

use insta::assert_snapshot;

use super::{INIT, bad, init};

// SPEC: LOG-03
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
    Caching
    disk full
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
    Caching
    disk full
    ");
    assert_eq!(warnings, r"warning: \u{1b}[31mslow");
    let (json, warnings) = run(&["--show-logs", "--progress", "json"]);
    assert_snapshot!(json, @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    {"event":"start","inProgress":"Pulling","completed":"Pulled"}
    {"event":"update","current":1,"total":2,"unit":"layers","message":"base"}
    {"event":"log","stream":"stdout","text":"layer 1\nlayer 2\n"}
    {"event":"complete"}
    {"event":"start","inProgress":"Caching","completed":"Cached"}
    {"event":"fail","error":"disk full"}
    "#);
    assert_eq!(warnings, r#"{"event":"log","stream":"stderr","text":"warning: \u001b[31mslow\n"}"#);
}

// SPEC: SEC-10, ERR-12
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
    assert_snapshot!(init("backend"), @r"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: build failed
    The command make \u{1b}[2J failed (exit code 2): no \u{202e}rule
    to make it
    ");
}

// SPEC: STEP-16, STEP-17, LOG-04
#[test]
fn steps_that_are_not_its_own_or_not_known() {
    assert_snapshot!(bad("odd-steps").run(&[&INIT[..], &["--show-logs"]].concat()), @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Working
    to nobody
    Worked
    ");
    assert_snapshot!(bad("odd-steps").run(&[&INIT[..], &["--progress", "json"]].concat()), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    {"event":"start","inProgress":"Working","completed":"Worked"}
    {"event":"update","message":"hooray"}
    {"event":"complete"}
    "#);
}

// SPEC: STEP-15, WIRE-17
#[test]
fn steps_without_end() {
    let run = bad("floods-steps").run(&INIT);
    assert_eq!((run.code, run.stderr), (Some(0), "Counting\nCounted\n".repeat(4096)));
}

/// 100 MB in 10 million lines.
// SPEC: WIRE-17
#[test]
fn warnings_without_end() {
    assert_snapshot!(bad("floods-stderr").run(&INIT), @r"
    exit code 0
    --- stdout
    [ID]
    ");
}
