//! Ways into a workspace that lead nowhere.

use std::{io::Write as _, process::Stdio};

use insta::assert_snapshot;

use super::{with, with_app};
use crate::support::Run;

fn terminal(misdeed: &str) -> String {
    with(misdeed, &["terminal", "app"]).to_string()
}

/// It fails when the driver still runs.
// SPEC: TERM-19, TERM-21, TERM-23
#[test]
fn one_that_leads_in() {
    assert_snapshot!(terminal("good"), @"exit code 9");
    let env = with_app("leads-in").set("OF_THE_USER", "mine").set("KDN_RUNTIME_PROTOCOL", "7");
    let mut command = env.command(&["terminal", "app"]);
    let mut kdn = command.stdin(Stdio::piped()).spawn().unwrap();
    kdn.stdin.take().unwrap().write_all(b"typed\n").unwrap();
    let output = kdn.wait_with_output().unwrap();
    assert_snapshot!(Run::new(&command, output, env.root()), @r"
    exit code 43
    --- stdout
    typed added mine
    /
    --- stderr
    err
    ");
}

// SPEC: TERM-20, SEC-11
#[test]
fn a_program_that_is_none() {
    assert_snapshot!(terminal("relative"), @r#"
    exit code 125
    --- stderr
    Error: runtime "bad" returned a terminal program that is not an absolute path: "sh"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(terminal("missing"), @r#"
    exit code 127
    --- stderr
    Error: runtime "bad" returned a terminal program that is not there: "/nowhere/at/all"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(terminal("no-program"), @r#"
    exit code 126
    --- stderr
    Error: runtime "bad" returned a terminal program that is not executable: "/etc/passwd"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(terminal("folder"), @r#"
    exit code 126
    --- stderr
    Error: runtime "bad" returned a terminal program that is not executable: "/etc"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn texts_that_no_process_can_have() {
    assert_snapshot!(terminal("nul"), @r#"
    exit code 125
    --- stderr
    Error: runtime "bad" returned a terminal plan with a NUL character: "exit\09"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(terminal("nul-name"), @r#"
    exit code 125
    --- stderr
    Error: runtime "bad" returned a terminal plan with a NUL character: "A\0B"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(terminal("odd-name"), @r#"
    exit code 125
    --- stderr
    Error: runtime "bad" returned a terminal plan with a variable that can't be: "A=B"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn a_folder_that_is_none() {
    assert_snapshot!(terminal("relative-folder"), @r#"
    exit code 125
    --- stderr
    Error: runtime "bad" returned a terminal folder that is not an absolute path: "here"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(terminal("missing-folder"), @r#"
    exit code 125
    --- stderr
    Error: runtime "bad" returned a terminal folder that is not there: "/nowhere"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}
