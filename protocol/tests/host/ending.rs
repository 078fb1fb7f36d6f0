//! Drivers that end too early, too late, or not at all.

use insta::assert_snapshot;

use super::*;

// SPEC: LIFE-34
#[tokio::test]
async fn a_driver_that_dies_is_reported_with_its_last_words() {
    let test = Test::with("exit").await;
    assert_snapshot!(text(test.create().await), @r#"
    runtime driver "bad" ended before it answered create: exit status: 3
    Its stderr ends with:
      reading the plan
      no space left on device
    "#);
    assert_snapshot!(text(test.info().await), @r#"
    runtime driver "bad" ended before it answered info: exit status: 3
    Its stderr ends with:
      reading the plan
      no space left on device
    "#);
    test.close().await;
}

#[tokio::test]
async fn a_line_that_was_torn_is_shown() {
    let test = Test::with("torn").await;
    assert_snapshot!(text(test.create().await), @r#"runtime driver "bad" ended before it answered create: exit status: 0; 1 stray line on stdout, the first: "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":\"bad-1\",\"name\":\"made\"""#);
    test.close().await;
}

#[tokio::test]
async fn a_driver_that_closes_its_stdout_is_ended() {
    let test = Test::with("close").await;
    assert_snapshot!(text(test.create().await), @r#"runtime driver "bad" ended before it answered create: it closed its stdout and did not exit"#);
    test.close().await;
}

// SPEC: LIFE-02, LIFE-27
#[tokio::test]
async fn a_driver_that_ignores_everything_is_killed_with_its_children() {
    let test = Test::of(deaf_to_term, "stubborn").await;
    test.create().await.unwrap();
    // The driver and its child, which may be forking.
    await_processes(&test.mark, 2..=3);
    let ending = test.session.close().await;
    assert!(ending.forced);
    assert_snapshot!(ending.status.unwrap(), @"signal: 9 (SIGKILL)");
    assert_gone(&test.mark);
}

// SPEC: DEAD-03, LIFE-27
#[tokio::test]
async fn a_driver_that_hangs_in_shutdown_is_ended() {
    let test = Test::with("hang").await;
    assert_snapshot!(test.close().await, @"signal: 15 (SIGTERM)");
}

#[tokio::test]
async fn what_outlives_a_driver_keeps_nobody_waiting() {
    let test = Test::with("holder").await;
    test.create().await.unwrap();
    assert_snapshot!(test.session.close().await, @"exit status: 0");
    // A session of its own is not the driver's.
    await_processes(&test.mark, 1..=2);
    kill(&test.mark);
}

#[tokio::test]
async fn what_a_dead_driver_left_behind_keeps_nobody_waiting() {
    let test = Test::with("dead holder").await;
    assert_snapshot!(text(test.create().await), @r#"runtime driver "bad" ended before it answered create: exit status: 5"#);
    await_processes(&test.mark, 1..=2);
    kill(&test.mark);
}

#[tokio::test]
async fn a_driver_that_reads_nothing_blocks_nobody() {
    let mut large = workspace();
    large.options.insert("large".into(), "x".repeat(10 * 1024 * 1024));
    let test = Test::with("deaf until it dies").await;
    assert_snapshot!(text(test.session.call::<Create>(&large, &mut ignore_events).await), @r#"
    runtime driver "bad" ended before it answered create: exit status: 4
    Its stderr ends with:
      I can't hear you
    "#);
    test.close().await;

    let test = Test::with("deaf").await;
    let [idle, roll_back] = [50, 50].map(Duration::from_millis);
    let deadline = Deadline { idle, cap: PATIENCE, roll_back };
    let created = test.session.call_within::<Create>(&large, deadline, &mut ignore_events).await;
    assert_snapshot!(text(created), @r#"runtime driver "bad" did not answer create within 0 s"#);
    test.close().await;
}

// SPEC: WIRE-13
#[tokio::test]
async fn a_request_that_is_too_large_is_not_sent() {
    let mut large = workspace();
    large.options.insert("large".into(), "x".repeat(16 * 1024 * 1024));
    let test = Test::with("").await;
    assert_snapshot!(text(test.session.call::<Create>(&large, &mut ignore_events).await), @r#"the request create to runtime driver "bad" is 16777801 bytes, more than a frame of 16777216"#);
    assert_eq!(test.info().await.unwrap().name, "cancelled:null");
    test.close().await;
}

// SPEC: LIFE-28
#[tokio::test]
async fn a_dropped_session_leaves_no_process() {
    let test = Test::of(deaf_to_term, "stubborn").await;
    test.create().await.unwrap();
    drop(test.session);
    assert_gone(&test.mark);
}

/// Ends what a driver left behind.
fn kill(mark: &str) {
    use rustix::process::{Pid, Signal, kill_process_group};
    for process in fs::read_dir("/proc").unwrap().map(|process| process.unwrap()) {
        let line = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        if line.contains(mark) {
            let id = process.file_name().to_str().unwrap().parse().unwrap();
            kill_process_group(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
        }
    }
    assert_gone(mark);
}
