//! The user's second thoughts, and drivers that take too long.

use insta::assert_snapshot;
use kdn_protocol::ErrorKind;

use super::*;

// SPEC: CANC-07, CANC-10
#[tokio::test]
async fn a_cancelled_call_waits_for_its_answer() {
    let test = Test::with("cancel").await;
    let mut events = 0;
    let mut observer = |_| {
        events += 1;
        if events == 1 {
            test.interrupts.interrupt();
        }
    };
    let error = test.session.call::<Create>(&workspace(), &mut observer).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().kind(), ErrorKind::Cancelled);
    assert_eq!(events, 2, "the start, and the failure that the cancellation caused");
    assert_snapshot!(test.close().await, @"exit status: 0");
}

#[tokio::test]
async fn a_result_that_was_faster_is_a_result() {
    let test = Test::with("race").await;
    assert_eq!(test.create_and_interrupt().await.unwrap().name, "made");
    test.close().await;
}

// SPEC: CANC-09
#[tokio::test]
async fn a_driver_without_cancellation_gets_the_end_of_stdin() {
    let test = Test::with("plain").await;
    let error = test.create_and_interrupt().await.unwrap_err();
    assert_eq!(error.refusal().unwrap().kind(), ErrorKind::Cancelled);
    test.close().await;
}

// SPEC: CANC-10
#[tokio::test]
async fn the_second_interrupt_terminates() {
    let test = Test::with("stuck").await;
    assert_snapshot!(text(test.create_and_interrupt().await), @r#"runtime driver "bad" ended before it answered create: signal: 15 (SIGTERM)"#);
    test.close().await;
}

// SPEC: CANC-10
#[tokio::test]
async fn the_third_interrupt_kills() {
    let test = Test::of(deaf_to_term, "stuck").await;
    let call = test.create_and_interrupt();
    let third = async {
        // Two come with the events of the driver.
        let mut listener = test.interrupts.listen();
        while listener.next().await < 2 {}
        test.interrupts.interrupt();
        std::future::pending::<()>().await;
    };
    let error = tokio::select! { result = call => text(result), () = third => unreachable!() };
    assert_snapshot!(error, @r#"runtime driver "bad" ended before it answered create: signal: 9 (SIGKILL)"#);
    test.close().await;
}

#[tokio::test]
async fn a_read_is_given_up_at_once() {
    let test = Test::with("deaf").await;
    test.interrupts.interrupt();
    assert_snapshot!(text(test.info().await), @r#"interrupted while runtime driver "bad" answered info"#);
    test.close().await;
}

#[tokio::test]
async fn an_interrupt_before_a_call_cancels_it() {
    let test = Test::with("cancel").await;
    test.interrupts.interrupt();
    let error = test.create().await.unwrap_err();
    assert_eq!(error.refusal().unwrap().kind(), ErrorKind::Cancelled);
    test.close().await;
}

// SPEC: DEAD-02
#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled() {
    let test = Test::with("cancel").await;
    let error = test.create_within(50, 10_000).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().kind(), ErrorKind::Cancelled);
    test.close().await;
}

// SPEC: CANC-07
#[tokio::test]
async fn patience_ends() {
    let test = Test::with("silent").await;
    assert_snapshot!(text(test.create_within(50, 50).await), @r#"runtime driver "bad" did not answer create within 0 s"#);
    test.close().await;
    let test = Test::with("batch").await;
    assert_snapshot!(text(test.create_within(50, 50).await), @r#"runtime driver "bad" did not answer create within 0 s"#);
    assert_eq!(test.session.close().await.stray_lines, 1);
    assert_gone(&test.mark);
}

#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let test = Test::with("cancel").await;
    let (seen, started) = tokio::sync::oneshot::channel();
    let mut seen = Some(seen);
    let mut observer = |_| {
        if let Some(seen) = seen.take() {
            seen.send(()).unwrap();
        }
    };
    let workspace = workspace();
    tokio::select! {
        _ = test.session.call::<Create>(&workspace, &mut observer) => unreachable!(),
        _ = started => {}
    }
    while test.info().await.unwrap().name == "cancelled:null" {}
    test.close().await;
}

// SPEC: CANC-11
#[tokio::test]
async fn what_does_not_go_after_all_patience_is_terminated_and_then_killed() {
    for (start, ended) in
        [(launch as fn(&str, &str) -> Launch, "signal: 15 (SIGTERM)"), (deaf_to_term, "signal: 9 (SIGKILL)")]
    {
        let test = Test::of(start, "stuck").await;
        assert!(matches!(test.create_within(50, 50).await, Err(HostError::TimedOut { .. })));
        assert_eq!(test.close().await, ended);
    }
}

// SPEC: SHUT-03
#[tokio::test]
async fn a_session_with_an_open_request_is_not_shut_down() {
    // It says on stderr when it is.
    let test = Test::with("stuck").await;
    let workspace = workspace();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut observer = |_| tell.send(()).unwrap();
    tokio::select! {
        _ = test.session.call::<Create>(&workspace, &mut observer) => unreachable!(),
        _ = told.recv() => {}
    }
    assert_eq!(test.session.close().await.stderr, "");
    assert_gone(&test.mark);
}
