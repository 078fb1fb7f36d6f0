//! Lines that are no answers, and answers that are none.

use insta::assert_snapshot;

use kdn_protocol::{host::describe, method};

use super::*;

async fn created(how: &str) -> String {
    let test = Test::with(how).await;
    let created = test.create().await.unwrap();
    assert_eq!(test.info().await.unwrap().name, "cancelled:null", "the connection lives on");
    test.close().await;
    created.name
}

async fn refused(how: &str) -> String {
    let test = Test::with(how).await;
    let error = text(test.create().await);
    assert_eq!(test.info().await.unwrap().name, "cancelled:null", "the connection lives on");
    test.close().await;
    error
}

// SPEC: WIRE-15, WIRE-41, STEP-17
#[tokio::test]
async fn stray_lines_are_counted_and_skipped() {
    let test = Test::with("stray").await;
    assert_eq!(test.create().await.unwrap().name, "made");
    assert_eq!(test.info().await.unwrap().name, "cancelled:null");
    assert_snapshot!(test.close().await, @r#"exit status: 0; 13 stray lines on stdout, the first: "starting up""#);
}

// SPEC: WIRE-16
#[tokio::test]
async fn a_hundred_stray_lines_are_borne() {
    let test = Test::with("100 lines").await;
    assert_eq!(test.create().await.unwrap().name, "made");
    assert_snapshot!(test.close().await, @r#"exit status: 0; 100 stray lines on stdout, the first: "line 0""#);
}

// SPEC: WIRE-16
#[tokio::test]
async fn more_end_the_driver() {
    let test = Test::with("chatter").await;
    assert_snapshot!(text(test.create().await), @r#"runtime driver "bad" ended before it answered create: it printed more than 100 lines on stdout that are no messages; 101 stray lines on stdout, the first: "line 0""#);
    assert_snapshot!(text(test.info().await), @r#"runtime driver "bad" ended before it answered info: it printed more than 100 lines on stdout that are no messages; 101 stray lines on stdout, the first: "line 0""#);
    test.close().await;
}

// SPEC: WIRE-36
#[tokio::test]
async fn what_is_meant_is_understood() {
    assert_eq!(created("null error").await, "made");
    assert_eq!(created("request").await, "-32601", "a request of the driver is answered");
}

// SPEC: WIRE-38, WIRE-41
#[tokio::test]
async fn what_is_no_answer_fails_the_call_only() {
    assert_snapshot!(refused("both").await, @r#"runtime driver "bad" gave a malformed answer to create: it has both a result and an error"#);
    assert_snapshot!(refused("neither").await, @r#"runtime driver "bad" gave a malformed answer to create: it has neither a result nor an error"#);
    assert_snapshot!(refused("no error").await, @r#"runtime driver "bad" gave a malformed answer to create: its error does not fit: invalid type: string "it broke", expected an object with a code and a message at line 1 column 10"#);
    assert_snapshot!(refused("own error").await, @"
    it
    broke
    ");
    assert_snapshot!(refused("malformed").await, @r#"runtime driver "bad" gave a malformed answer to create: missing field `workspaceId` at line 1 column 31"#);
}

#[tokio::test]
async fn an_unknown_state_is_told_in_full() {
    let test = Test::with("state").await;
    let instance = test.create().await.unwrap();
    assert_snapshot!(instance.validate().unwrap_err(), @r#"invalid state: invalid runtime state: "created" (must be one of: running, stopped, error, unknown)"#);
    test.close().await;
}

// SPEC: WIRE-14
#[tokio::test]
async fn a_frame_that_is_too_large_ends_the_driver() {
    let test = Test::with("large").await;
    assert_snapshot!(text(test.create().await), @r#"runtime driver "bad" ended before it answered create: it printed a frame larger than 16777216 bytes"#);
    test.close().await;
}

// SPEC: DISC-13, INIT-09, VER-03
#[tokio::test]
async fn a_driver_must_be_what_its_name_says() {
    let mark = mark();
    let mut other = launch("", &mark);
    other.r#type = "good".into();
    assert_snapshot!(text(connect(&other, Interrupts::never()).await), @r#"runtime driver "good" ([driver]) says that its type is "bad""#);
    let of = async |how| text(connect(&launch(how, &mark), Interrupts::never()).await);
    assert_snapshot!(of("newer").await, @r#"
    no protocol version in common
    hint: update kdn, which is older than the runtime driver "bad" at [driver]
    "#);
    assert_snapshot!(of("older").await, @r#"
    no protocol version in common
    hint: update the runtime driver "bad" at [driver], which is older than kdn
    "#);
    assert_snapshot!(of("other version").await, @r#"runtime driver "bad" ([driver]) chose protocol version 9, which was not offered"#);
    assert_gone(&mark);
}

#[tokio::test]
async fn what_can_not_be_started_is_named() {
    let mut launch = launch("", "");
    launch.path = "/nowhere/kdn-runtime-bad".into();
    assert_snapshot!(text(connect(&launch, Interrupts::never()).await), @r#"runtime driver "bad" could not be started: /nowhere/kdn-runtime-bad: No such file or directory (os error 2)"#);
}

// SPEC: CAP-07
#[tokio::test]
async fn a_method_that_is_not_declared_is_not_asked_for() {
    let test = Test::with("").await;
    let params = kdn_protocol::DashboardParams::new("bad-1");
    let answer = test.session.call::<method::Dashboard>(&params, &mut ignore_events).await;
    assert_snapshot!(text(answer), @r#"method not found: "dashboard""#);
    test.close().await;
}

#[tokio::test]
async fn a_good_driver_is_served_well() {
    let host = HostInfo::this_process("kdn", "0.0.0");
    let mut good = Launch::new("good", support::example("good-driver"), host);
    let described = describe(&good).await.unwrap();
    assert_eq!((described.manifest.display_name.as_str(), described.flags.len()), ("Good", 2));

    let session = connect(&good, Interrupts::never()).await.unwrap();
    assert_eq!(session.manifest().version, "1.2.3");
    let status =
        session.call::<method::GetStatus>(&kdn_protocol::Empty {}, &mut ignore_events).await.unwrap();
    assert_eq!(status, kdn_protocol::Status::ready());
    let ending = session.close().await;
    assert!(!ending.forced && ending.stray_lines == 0);
    assert_snapshot!(ending, @"exit status: 0");

    good.args = vec!["up".into()];
    assert_snapshot!(text(describe(&good).await), @r#"
    runtime driver "good" ended before it answered type: exit status: 64
    Its stderr ends with:
      kdn-runtime-good: unknown argument "up"
      kdn-runtime-good 1.2.3: Good
      It is a runtime driver: kdn starts it and speaks protocol version 1 with it over stdin and stdout.
      Put it on PATH, and `kdn runtime list` shows it.
    "#);
}
