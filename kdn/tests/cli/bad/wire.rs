//! What is on stdout and is no message.

use insta::assert_snapshot;

use super::{bad, init};

#[test]
fn a_greeting_is_put_up_with() {
    assert_snapshot!(bad("chatty").run(&super::INIT), @r"
    exit code 0
    --- stdout
    [ID]
    ");
}

// SPEC: WIRE-16
#[test]
fn garbage_without_end() {
    assert_snapshot!(init("garbage"), @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ended before it answered initialize: it printed more than 100 lines on stdout that are no messages; 101 stray lines on stdout, the first: "garbage"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

// SPEC: WIRE-14
#[test]
fn a_frame_above_the_limit() {
    assert_snapshot!(init("large-frame"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: it printed a frame larger than 16777216 bytes
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn half_a_frame() {
    assert_snapshot!(init("torn"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 0; 1 stray line on stdout, the first: "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"id\":\"bad-1\",\"workspaceId\""
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

// SPEC: WIRE-15
#[test]
fn bytes_that_are_no_text() {
    assert_snapshot!(init("not-utf8"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 0; 1 stray line on stdout, the first: "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"id\":\"�\"}}"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn a_batch() {
    assert_snapshot!(init("batch"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 0; 1 stray line on stdout, the first: "[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"id\":\"bad-1\",\"workspaceId\":\"[ID]\",\"name\":\"app\",\"state\":\"stopped\"}}]"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn another_json_rpc() {
    assert_snapshot!(init("old-rpc"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 0; 1 stray line on stdout, the first: "{\"jsonrpc\":\"1.0\",\"id\":2,\"result\":{\"id\":\"bad-1\",\"workspaceId\":\"[ID]\",\"name\":\"app\",\"state\":\"stopped\"}}"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn an_answer_to_something_else() {
    assert_snapshot!(init("wrong-id"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 0; 1 stray line on stdout, the first: "{\"jsonrpc\":\"2.0\",\"id\":4711,\"result\":{\"id\":\"bad-1\",\"workspaceId\":\"[ID]\",\"name\":\"app\",\"state\":\"stopped\"}}"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn an_answer_with_a_text_for_an_id() {
    assert_snapshot!(init("text-id"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 0; 1 stray line on stdout, the first: "{\"jsonrpc\":\"2.0\",\"id\":\"2\",\"result\":{\"id\":\"bad-1\",\"workspaceId\":\"[ID]\",\"name\":\"app\",\"state\":\"stopped\"}}"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn a_second_answer_changes_nothing() {
    assert_snapshot!(bad("twice").run(&super::INIT), @r"
    exit code 0
    --- stdout
    [ID]
    ");
}

/// The driver goes on only when it is told that a host takes no requests.
// SPEC: WIRE-36
#[test]
fn a_request_to_the_host_is_answered() {
    assert_snapshot!(bad("asks").run(&super::INIT), @r"
    exit code 0
    --- stdout
    [ID]
    ");
}
