//! Drivers that end when they should not.

use insta::assert_snapshot;

use super::{INIT, assert_nothing_made, bad, end_child, init};
use crate::support::skip_unless;

#[test]
fn at_once_with_success() {
    assert_snapshot!(init("exits"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ended before it answered initialize: exit status: 0
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn at_once_with_a_reason() {
    assert_snapshot!(init("fails"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ended before it answered initialize: exit status: 7
    Its stderr ends with:
      kdn-runtime-bad: no licence
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(bad("fails").run(&["runtime", "list"]), @r#"
    exit code 0
    --- stdout
    No runtimes available
    --- stderr
    Warning: runtime driver "bad" ended before it answered type: exit status: 7
    Its stderr ends with:
      kdn-runtime-bad: no licence
    "#);
    assert_snapshot!(bad("fails").run(&["info", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "agents": [],
      "runtimes": [],
      "version": "[VERSION]"
    }
    --- stderr
    Warning: failed to get runtime: runtime driver "bad" ended before it answered initialize: exit status: 7
    Its stderr ends with:
      kdn-runtime-bad: no licence
    "#);
    assert_snapshot!(bad("fails").run(&["info"]), @r#"
    exit code 0
    --- stdout
    Version: [VERSION]
    Agents:
    Runtimes:
    --- stderr
    Warning: failed to get runtime: runtime driver "bad" ended before it answered initialize: exit status: 7
    Its stderr ends with:
      kdn-runtime-bad: no licence
    "#);
}

// SPEC: LIFE-34
#[test]
fn by_a_signal() {
    assert_snapshot!(init("dies"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ended before it answered initialize: signal: 9 (SIGKILL)
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

// SPEC: LIFE-34
#[test]
fn in_the_middle_of_a_change() {
    assert_snapshot!(init("crash"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 3
    Its stderr ends with:
      panic: out of luck
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

/// What is left has a session of its own, and holds stdout and stderr.
#[test]
fn with_a_child_left() {
    if skip_unless("setsid").is_none() {
        return;
    }
    for misdeed in ["leaves-child", "crash-child"] {
        let env = bad(misdeed);
        let run = env.run(&INIT);
        end_child(&env);
        assert_nothing_made(&env, &run);
        match misdeed {
            "leaves-child" => assert_snapshot!(run, @r#"
            exit code 1
            --- stderr
            Error: failed to get runtime: runtime driver "bad" ended before it answered initialize: exit status: 7
            If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
            "#),
            _ => assert_snapshot!(run, @r#"
            exit code 1
            --- stderr
            Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 3
            If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
            "#),
        }
    }
}

/// The workspace is made by then.
#[test]
fn without_an_answer_to_shutdown() {
    assert_snapshot!(bad("quits").run(&INIT), @r"
    exit code 0
    --- stdout
    [ID]
    ");
}

#[test]
fn it_can_not_be_run() {
    let env = bad("good");
    // Written by a process of its own, as a test that starts one just now would keep this one's file from being run.
    let script = "echo '#!/nowhere/sh' >kdn-runtime-no; chmod 755 kdn-runtime-no";
    let mut shell = std::process::Command::new("sh");
    assert!(shell.args(["-c", script]).current_dir(env.bin()).status().unwrap().success());
    assert_snapshot!(env.run(&["init", "-r", "no", "-a", "claude"]), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "no" could not be started: [ROOT]/bin/kdn-runtime-no: No such file or directory (os error 2)
    Check that [ROOT]/bin/kdn-runtime-no is an executable for this machine
    "#);
}
