//! Drivers that misbehave: what the user sees, when, and that nothing is left of them.

mod answers;
mod ending;
mod hanging;
mod host;
mod instances;
mod output;
mod pages;
mod plans;
mod wire;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::{Env, Run};

const INIT: [&str; 7] = ["init", "-r", "bad", "-a", "claude", "-p", "demo"];

fn bad(misdeed: &str) -> Env {
    Env::with_drivers(&[]).with_bad(misdeed)
}

/// Makes a workspace while the driver misbehaves, which fails.
fn init(misdeed: &str) -> Run {
    let env = bad(misdeed);
    let run = env.run(&INIT);
    env.assert_no_processes();
    assert_nothing_made(&env, &run);
    run
}

/// A command failed as it should, and there is no workspace, nor anything of one.
fn assert_nothing_made(env: &Env, run: &Run) {
    assert_ne!(run.code, Some(0), "{run}");
    assert!(!run.to_string().contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{run}");
    assert_eq!(env.ok(&["list", "-q", "--no-refresh"]), "");
    for folder in ["pending", "locks", "runtimes/bad"] {
        assert_eq!(Env::tree(&env.storage().join(folder)), [""; 0], "{folder}");
    }
}

/// A workspace that was made while the driver was good.
fn with_app(misdeed: &str) -> Env {
    let env = bad("good");
    env.ok(&INIT);
    env.set("BAD", misdeed)
}

/// Does something with a workspace that was made while the driver was good. The workspace is still there then.
fn with(misdeed: &str, args: &[&str]) -> Run {
    let env = with_app(misdeed);
    let run = env.run(args);
    env.assert_no_processes();
    assert_eq!(env.ok(&["list", "-q", "--no-refresh"]).len(), 64);
    run
}

/// Ends what a driver has left in a session of its own, as it must not.
fn end_child(env: &Env) {
    let left = env.processes();
    assert_ne!(left.len(), 0);
    for process in left {
        let id = process.split_whitespace().next().and_then(|id| id.parse().ok()).unwrap();
        // It may be the last one's group too.
        let _ = kill_process_group(Pid::from_raw(id).unwrap(), Signal::KILL);
    }
    env.assert_no_processes();
}

// SPEC: DISC-12
#[test]
fn a_good_one_has_a_name_in_the_lists() {
    let env = bad("good");
    assert_snapshot!(env.run(&["info"]), @r"
    exit code 0
    --- stdout
    Version: [VERSION]
    Agents: aider, claude
    Runtimes: bad
    ");
    assert_snapshot!(env.run(&["runtime", "list"]), @r"
    exit code 0
    --- stdout
    NAME  DESCRIPTION  LOCAL
    bad   Misbehaves   yes
    ");
    assert_snapshot!(env.run(&["runtime", "list", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "items": [
        {
          "description": "Misbehaves",
          "local": true,
          "name": "bad"
        }
      ]
    }
    "#);
}

// SPEC: DISC-06, DISC-09
#[test]
fn what_everyone_may_write_is_not_run() {
    let env = Env::with_drivers(&[]);
    let path = env.bin().join("kdn-runtime-bad");
    std::fs::write(&path, "#!/bin/sh\necho this was run >&2\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o757)).unwrap();
    assert_snapshot!(env.run(&INIT), @r"
    exit code 1
    --- stderr
    Error: failed to get runtime: runtime not found: bad
    [ROOT]/bin/kdn-runtime-bad was not used: [ROOT]/bin/kdn-runtime-bad is writable by everyone
    ");
    assert_snapshot!(env.run(&["runtime", "list", "--all"]), @r"
    exit code 0
    --- stdout
    NAME  DESCRIPTION  LOCAL  DRIVER                               NOTE
    bad                yes    [ROOT]/bin/kdn-runtime-bad  not used: [ROOT]/bin/kdn-runtime-bad is writable by everyone
    ");
}
