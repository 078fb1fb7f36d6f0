//! Instances that are none, or those of others.

use insta::assert_snapshot;

use super::{INIT, bad, init, with};

// SPEC: CREATE-14, SEC-11
#[test]
fn a_state_that_is_none() {
    assert_snapshot!(init("created"), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid state: invalid runtime state: "created" (must be one of: running, stopped, error, unknown)
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(with("paused", &["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid state: invalid runtime state: "paused" (must be one of: running, stopped, error, unknown)
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(with("paused", &["stop", "app"]), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid state: invalid runtime state: "paused" (must be one of: running, stopped, error, unknown)
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(with("paused", &["remove", "app"]), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid state: invalid runtime state: "paused" (must be one of: running, stopped, error, unknown)
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    Use --force to forget the workspace, whatever its runtime still holds
    "#);
    assert_snapshot!(with("paused", &["list"]), @r#"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      unknown
    [SHORT ID  ]   ~/src/app                              its runtime returned invalid state: invalid runtime state: "paused" (must be one of: running, stopped, error, unknown)
    "#);
}

// SPEC: SEC-11
#[test]
fn an_id_that_climbs() {
    assert_snapshot!(init("climbing"), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid instance id: "../../etc"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn the_instance_of_another_workspace() {
    assert_snapshot!(init("stranger"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime "bad" returned an instance of another workspace
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(with("stranger", &["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to start runtime instance: runtime "bad" returned another instance: "bad-1"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(with("stranger", &["stop", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to stop runtime instance: runtime "bad" returned another instance: "bad-1"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn the_name_of_another_workspace() {
    assert_snapshot!(init("renames"), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime "bad" returned an instance of another workspace
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn another_id_than_before() {
    assert_snapshot!(with("moves", &["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to start runtime instance: runtime "bad" returned another instance: "bad-2"
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn a_change_that_was_none() {
    assert_snapshot!(with("idle", &["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to start runtime instance: runtime "bad" left the instance in the state stopped, not running
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
    assert_snapshot!(with("idle", &["stop", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to stop runtime instance: runtime "bad" left the instance in the state running, not stopped
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

#[test]
fn the_same_page_for_ever() {
    assert_snapshot!(with("endless", &["list"]), @r#"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      stopped?
    [SHORT ID  ]   ~/src/app
    --- stderr
    Warning: the last known states are shown: failed to list the instances of runtime "bad": runtime "bad" lists without end: there is a cursor "more" after 2 pages
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

/// Where there is more time than in a listing: after a creation that failed.
#[test]
fn pages_for_ever() {
    assert_snapshot!(bad("counting").run(&INIT), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime driver "bad" ended before it answered create: exit status: 3
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    What was created so far could not be removed yet (runtime "bad" lists without end: there is a cursor "1001" after 1001 pages); the next command that changes something tries again
    "#);
}

#[test]
fn an_instance_twice() {
    assert_snapshot!(with("double", &["list"]), @r#"
    exit code 0
    --- stdout
    NAME/SHORT ID  PROJECT/SOURCES  AGENT/MODEL  RUNTIME  STATE
    app            demo             claude       bad      stopped?
    [SHORT ID  ]   ~/src/app
    --- stderr
    Warning: the last known states are shown: failed to list the instances of runtime "bad": runtime "bad" listed the instance "bad-1" twice
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}

/// What is to be cleaned up is on the second page.
// SPEC: CREATE-12, LIST-09
#[test]
fn what_is_left_is_found_on_every_page() {
    assert_snapshot!(init("paged"), @r#"
    exit code 1
    --- stderr
    Error: runtime "bad" returned invalid state: invalid runtime state: "created" (must be one of: running, stopped, error, unknown)
    If this happens again, update kdn-runtime-bad, or tell its author; 'kdn runtime test bad' checks it
    "#);
}
