//! Answers that are none, and drivers that are another than they should be.

use insta::assert_snapshot;

use super::{bad, init, with, with_app};

#[test]
fn both_a_result_and_an_error() {
    assert_snapshot!(init("both"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" gave a malformed answer to create: it has both a result and an error
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn neither_a_result_nor_an_error() {
    assert_snapshot!(init("neither"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" gave a malformed answer to create: it has neither a result nor an error
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn a_result_that_is_null() {
    assert_snapshot!(init("null-result"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" gave a malformed answer to create: it has neither a result nor an error
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn a_result_of_another_shape() {
    assert_snapshot!(init("wrong-shape"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" gave a malformed answer to initialize: missing field `displayName` at line 1 column 46
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(bad("no-manifest").run(&["runtime", "list"]), @r#"
    exit code 0
    --- stdout
    No runtimes available
    --- stderr
    Warning: runtime driver "bad" gave a malformed answer to type: missing field `type` at line 1 column 2
    "#);
}

#[test]
fn an_error_that_is_a_text() {
    assert_snapshot!(init("text-error"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" gave a malformed answer to create: its error does not fit: invalid type: string "it broke", expected an object with a code and a message at line 1 column 10
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

// SPEC: ERR-11
#[test]
fn an_error_without_a_kind() {
    assert_snapshot!(init("no-kind"), @r"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: it broke
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    ");
}

// SPEC: ERR-11
#[test]
fn an_error_of_an_unknown_kind() {
    assert_snapshot!(init("unknown-code"), @r"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: it broke
    ask acme
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    ");
}

#[test]
fn an_error_that_says_nothing() {
    assert_snapshot!(init("no-message"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" answered create with an error that says nothing
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

// SPEC: DISC-13
#[test]
fn another_type() {
    assert_snapshot!(init("wrong-type"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ([ROOT]/bin/kdn-runtime-bad) says that its type is "other"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
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

// SPEC: VER-03
#[test]
fn a_later_version_only() {
    assert_snapshot!(init("newer"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: no protocol version in common
    update kdn, which is older than the runtime driver "bad" at [ROOT]/bin/kdn-runtime-bad
    "#);
}

// SPEC: INIT-09
#[test]
fn a_version_that_was_not_offered() {
    assert_snapshot!(init("other-version"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ([ROOT]/bin/kdn-runtime-bad) chose protocol version 2, which was not offered
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

// SPEC: MAN-07
#[test]
fn no_home_in_spite_of_isolation() {
    assert_snapshot!(init("homeless"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ([ROOT]/bin/kdn-runtime-bad) does not say where sources and home are in a workspace, and yet isolates
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn its_answer_lacks_what_it_must_have() {
    assert_snapshot!(with("malformed", &["remove", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime info: runtime driver "bad" gave a malformed answer to info: invalid type: integer `1`, expected a string at line 1 column 7
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    Use --force to forget the workspace, whatever its runtime still holds
    "#);
    let env = with_app("malformed");
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
    // That passes, so nothing is forgotten.
    assert_snapshot!(with("busy", &["remove", "app", "--force"]), @r"
    exit code 1
    --- stderr
    Error: failed to remove runtime instance: being copied
    Try again in a moment
    ");
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
