//! Drivers that do not go on: each is given up in time.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use insta::assert_snapshot;
use rustix::process::Signal;

use super::{INIT, assert_nothing_made, bad, with_app};
use crate::support::{Env, Run};

/// More than the slowest of machines takes beyond a deadline.
const MARGIN: Duration = Duration::from_mins(1);

/// Runs commands side by side, as they wait most of the time. Each must be done a little after so many seconds.
fn at_once<const N: usize>(commands: [(Env, &[&str], u64); N]) -> [Run; N] {
    thread::scope(|scope| {
        let runs = commands.map(|(env, args, seconds)| {
            scope.spawn(move || {
                let begin = Instant::now();
                let run = env.run(args);
                assert!(begin.elapsed() < Duration::from_secs(seconds) + MARGIN, "{args:?}: {run}");
                env.assert_no_processes();
                if args[0] == "init" && run.code != Some(0) {
                    assert_nothing_made(&env, &run);
                }
                run
            })
        });
        runs.map(|run| run.join().unwrap())
    })
}

// SPEC: DEAD-03, LIFE-28
#[test]
fn in_a_method() {
    let sandbox = Env::with_drivers(&[]).with_bad_as("sandbox", "mute-status");
    let [of_type, flags, options, initialize, status, shutdown, stays, late] = at_once([
        (bad("mute-type"), &["runtime", "list"], 2),
        (bad("mute-flags"), &INIT, 10),
        (bad("mute-type"), &["init", "-r", "bad", "-a", "claude", "--bad-size", "3"], 2),
        (bad("mute"), &INIT, 10),
        (sandbox, &["init", "-a", "claude"], 5),
        (bad("mute-shutdown"), &INIT, 5),
        (bad("stays"), &INIT, 7),
        (with_app("mute-shutdown"), &["list"], 4),
    ]);
    // Alone, as a start that took 2 s would leave the list less than its own time.
    let [list] = at_once([(with_app("mute-list"), &["list"], 2)]);
    assert_snapshot!(of_type, @r#"
    exit code 0
    --- stdout
    No runtimes available
    --- stderr
    Warning: runtime driver "bad" did not answer type within 2 s
    "#);
    assert_snapshot!(flags, @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" did not answer flags within 10 s
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(options, @r#"
    exit code 2
    --- stderr
    Warning: the options of runtime "bad" are not known: runtime driver "bad" did not answer type within 2 s
    Error: unknown flag: --bad-size
    Run 'kdn init --help' for its usage
    "#);
    assert_snapshot!(initialize, @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" did not answer initialize within 10 s
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(status, @r#"
    exit code 1
    --- stderr
    Error: runtime driver "sandbox" did not answer status within 5 s
    If this happens again, update kdn-runtime-sandbox, or tell its author; 'kdn runtime test sandbox' checks it
    "#);
    assert_snapshot!(list, @r#"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      stopped?
    [SHORT ID  ]   ~/src/app
    --- stderr
    Warning: the last known states are shown: failed to list the instances of runtime "bad": runtime driver "bad" did not answer list within 2 s
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    // What was made is made, and what was listed is true.
    assert_snapshot!(shutdown, @r"
    exit code 0
    --- stdout
    [ID]
    ");
    assert_snapshot!(stays, @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: the runtime driver [ROOT]/bin/kdn-runtime-bad did not exit by itself and was killed
    ");
    assert_snapshot!(late, @r"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      stopped
    [SHORT ID  ]   ~/src/app
    --- stderr
    Warning: the runtime driver [ROOT]/bin/kdn-runtime-bad did not exit by itself and was killed
    ");
}

#[test]
fn it_does_not_answer_at_all() {
    let [list, info, start] = at_once([
        (with_app("mute"), &["list"], 4),
        (with_app("mute"), &["info"], 10),
        (with_app("mute"), &["start", "app"], 10),
    ]);
    assert_snapshot!(list, @r#"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      stopped?
    [SHORT ID  ]   ~/src/app
    --- stderr
    Warning: the last known states are shown: runtime driver "bad" did not list its instances within 4 s
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(info, @r#"
    exit code 0
    --- stdout
    Version: [VERSION]
    Agents:
    Runtimes:
    --- stderr
    Warning: failed to get runtime: runtime driver "bad" did not answer initialize within 10 s
    "#);
    assert_snapshot!(start, @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" did not answer initialize within 10 s
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn with_a_pipe_closed() {
    let [stdin, stdout] = at_once([(bad("closes-stdin"), &INIT, 3), (bad("closes-stdout"), &INIT, 3)]);
    assert_snapshot!(stdin, @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered flags: it closed its stdin and did not exit
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(stdout, @r#"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime driver "bad" ended before it answered initialize: it closed its stdout and did not exit
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

/// A large request is half written when the user has had enough of it.
#[test]
fn it_reads_nothing() {
    let env = bad("reads-nothing");
    let folder = env.project().join(".kaiden");
    fs::create_dir(&folder).unwrap();
    let value = "x".repeat(4 * 1024 * 1024);
    let config = serde_json::json!({"environment": [{"name": "LARGE", "value": value}]});
    fs::write(folder.join("workspace.json"), config.to_string()).unwrap();
    let mut run = env.start(&[&INIT[..], &["--progress", "plain"]].concat());
    run.expect("Thinking").signal(Signal::INT);
    // The first can't reach it; signals that come at once are one.
    while run.goes_on() {
        thread::sleep(Duration::from_millis(200));
        run.signal(Signal::INT);
    }
    assert_snapshot!(run.finish(), @r"
    exit code 130
    --- stderr
    Thinking
    Error: interrupted
    What was created so far could not be removed yet (its driver was ended); the next command that changes something tries again
    ");
    env.assert_no_processes();
}

// SPEC: WIRE-13
#[test]
fn a_request_that_is_too_large_is_not_sent() {
    let env = bad("good");
    let folder = env.project().join(".kaiden");
    fs::create_dir(&folder).unwrap();
    let value = "x".repeat(17 * 1024 * 1024);
    let config = serde_json::json!({"environment": [{"name": "LARGE", "value": value}]});
    fs::write(folder.join("workspace.json"), config.to_string()).unwrap();
    let run = env.run(&["init", "-r", "bad", "-a", "shell"]);
    assert_nothing_made(&env, &run);
    assert_snapshot!(run, @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: the request create to runtime driver "bad" is 17826524 bytes, more than a frame of 16777216
    Make the configuration of the workspace smaller
    "#);
}
