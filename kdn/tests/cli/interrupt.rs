//! Ctrl-C and worse, while a workspace is made.

use std::fs;

use insta::assert_snapshot;
use rustix::process::Signal;

use crate::support::{Env, Running, wait_until};

/// Long enough for the test to act during a step, and short enough to wait for the end of the one before.
const A_WHILE: &str = "5000";

/// An `init` each of whose steps takes so many milliseconds.
fn slow_init(env: &Env, delay: &str) -> Running {
    env.start(&["init", "-r", "fake", "-a", "claude", "--progress", "plain", "--fake-step-delay", delay])
}

/// What is left of workspaces and their instances.
fn remains(env: &Env) -> Vec<String> {
    let mut remains = Env::tree(&env.storage());
    let fake = env.storage().join("runtimes/fake/instances.json");
    if fs::read_to_string(fake).is_ok_and(|json| json.contains("workspaceId")) {
        remains.push("an instance".to_owned());
    }
    let nothing = [
        "instances.json.lock",
        "locks",
        "pending",
        "runtimes",
        "runtimes/fake",
        "runtimes/fake/claims",
        "runtimes/fake/homes",
        "runtimes/fake/instances.json",
        "runtimes/fake/lock",
    ];
    remains.retain(|name| !nothing.contains(&name.as_str()));
    remains
}

// SPEC: CANC-10
#[test]
fn an_interrupted_init_leaves_nothing() {
    // The delay is longer than any test may take for the step that is waited for, where it is the first.
    for (signal, step, delay) in [
        (Signal::INT, "Writing files", "60000"),
        (Signal::TERM, "Writing files", "60000"),
        (Signal::HUP, "Writing files", "60000"),
        (Signal::INT, "Creating instance", A_WHILE),
    ] {
        let env = Env::new();
        let mut init = slow_init(&env, delay);
        init.expect(step).signal(signal);
        let run = init.finish();
        assert_eq!((run.code, run.stdout.as_str()), (Some(130), ""), "{run}");
        assert!(run.stderr.ends_with("\nError: interrupted\n"), "{run}");
        assert_eq!(remains(&env), [""; 0]);
        env.assert_no_processes();
    }
}

#[test]
fn an_interrupted_init_with_json() {
    let env = Env::new();
    let mut init = env.start(&[
        "init",
        "-r",
        "fake",
        "-a",
        "claude",
        "-o",
        "json",
        "--progress",
        "json",
        "--fake-step-delay",
        "60000",
    ]);
    init.expect(r#"{"event":"start","inProgress":"Writing files","completed":"Files written"}"#)
        .signal(Signal::INT);
    assert_snapshot!(init.finish(), @r#"
    exit code 130
    --- stdout
    {
      "error": "interrupted"
    }
    --- stderr
    {"event":"note","text":"Warning: runtime \"fake\" does not isolate: the agent runs as you, with all your files in reach"}
    {"event":"start","inProgress":"Writing files","completed":"Files written"}
    {"event":"fail","error":"cancelled"}
    "#);
}

#[test]
fn an_interrupted_start_leaves_it_stopped() {
    let env = Env::new();
    let mut init =
        env.start(&["init", "-r", "fake", "-a", "claude", "--start", "--fake-step-delay", A_WHILE]);
    init.expect("Preparing instance").signal(Signal::INT);
    assert_snapshot!(init.finish(), @r#"
    exit code 130
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Writing files
    Files written
    Creating instance
    Instance created
    Preparing instance
    cancelled
    Error: interrupted
    The workspace app was made; 'kdn start app' tries again to start it
    "#);
    assert_eq!(env.list()[0]["state"], "stopped");
    env.assert_no_processes();
}

// SPEC: CREATE-11, CREATE-12
#[test]
fn what_a_killed_init_left_goes_with_the_next_change() {
    for step in ["Writing files", "Creating instance"] {
        let env = Env::new();
        let mut init = slow_init(&env, A_WHILE);
        init.expect(step).signal(Signal::KILL);
        init.finish();
        clean_up(&env);
    }
}

// SPEC: CREATE-12
#[test]
fn an_instance_of_which_a_killed_init_never_heard_goes_too() {
    let env = Env::new();
    let mut init = slow_init(&env, A_WHILE);
    init.expect("Creating instance").signal(Signal::STOP);
    wait_until("the instance is made", || remains(&env).contains(&"an instance".to_owned()).then_some(()));
    init.signal(Signal::KILL);
    init.finish();
    assert!(remains(&env).contains(&"an instance".to_owned()));
    clean_up(&env);
}

/// A command that changes something, if only it could, cleans up; one that reads does not.
fn clean_up(env: &Env) {
    // The driver has noticed by itself, and rolled back what it had not finished.
    env.assert_no_processes();
    let before = remains(env);
    assert!(before.iter().any(|name| name.starts_with("pending/")), "{before:?}");
    assert_eq!(env.list().len(), 0);
    assert_eq!(remains(env), before);
    let run = env.run(&["stop", "nope"]);
    let cleaned = "Removed what was left of workspace app, whose creation was cut short\nError: workspace not found: nope";
    assert!(run.stderr.starts_with(cleaned), "{run}");
    assert_eq!(remains(env), [""; 0]);
    // The name is free again.
    env.ok(&["init", "-r", "fake", "-a", "claude"]);
    assert_eq!(env.list()[0]["name"], "app");
}

#[test]
fn what_can_not_be_cleaned_up_now_is_left_for_later() {
    let env = Env::with_drivers(&["fake"]).with_bad("good");
    let mut init = slow_init(&env, "60000");
    init.expect("Writing files").signal(Signal::KILL);
    init.finish();
    let (driver, aside) = (env.bin().join("kdn-runtime-fake"), env.root().join("aside"));
    fs::rename(&driver, &aside).unwrap();
    assert_snapshot!(env.run(&["init", "-r", "bad", "-a", "claude"]), @r"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: failed to remove what is left of workspace app: failed to get runtime: runtime not found: fake
    'kdn remove --force [SHORT ID  ]' forgets it, whatever its runtime still holds
    ");
    fs::rename(&aside, &driver).unwrap();
    env.ok(&["stop", "app"]);
    assert_eq!(Env::tree(&env.storage().join("pending")), [""; 0]);
}

#[test]
fn what_can_never_be_cleaned_up_is_forgotten_on_request() {
    let env = Env::with_drivers(&["fake"]).with_bad("good");
    let mut init = slow_init(&env, "60000");
    init.expect("Writing files").signal(Signal::KILL);
    init.finish();
    fs::remove_file(env.bin().join("kdn-runtime-fake")).unwrap();
    assert_snapshot!(env.run(&["remove", "app"]), @r"
    exit code 1
    --- stderr
    Warning: failed to remove what is left of workspace app: failed to get runtime: runtime not found: fake
    'kdn remove --force [SHORT ID  ]' forgets it, whatever its runtime still holds
    Error: workspace not found: app
    Use 'workspace list' to see available workspaces
    ");
    assert_snapshot!(env.run(&["stop", "app", "-o", "json", "--progress", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "workspace not found: app",
      "hints": [
        "Use 'workspace list' to see available workspaces"
      ]
    }
    --- stderr
    {"event":"note","text":"Warning: failed to remove what is left of workspace app: failed to get runtime: runtime not found: fake\n'kdn remove --force [SHORT ID  ]' forgets it, whatever its runtime still holds"}
    "#);
    assert_snapshot!(env.run(&["remove", "app", "--force"]), @r#"
    exit code 0
    --- stdout
    [ID]
    --- stderr
    Warning: failed to get runtime: runtime not found: fake
    Workspace app was forgotten; an instance of it may be left behind at runtime "fake"
    "#);
    assert_eq!(Env::tree(&env.storage().join("pending")), [""; 0]);
    assert_eq!(Env::tree(&env.storage().join("locks")), [""; 0]);
}

/// The driver takes no cancellation. It ends with its stdin as it must, but does not take back what it has done.
// SPEC: CANC-09
#[test]
fn what_a_driver_leaves_after_an_interrupt_is_removed_at_once() {
    let env = Env::with_drivers(&[]).with_bad("quitter");
    let mut init = env.start(&["init", "-r", "bad", "-a", "claude", "--progress", "plain"]);
    init.expect("Working");
    assert_eq!(Env::tree(&env.storage().join("runtimes/bad")), ["id"]);
    init.signal(Signal::INT);
    assert_snapshot!(init.finish(), @r"
    exit code 130
    --- stderr
    Working
    Error: interrupted
    ");
    env.assert_no_processes();
    for folder in ["runtimes/bad", "pending", "locks"] {
        assert_eq!(Env::tree(&env.storage().join(folder)), [""; 0], "{folder}");
    }
}

/// The driver neither listens nor goes by itself: the second interrupt asks it to go, the third makes it.
// SPEC: CANC-10, CANC-12
#[test]
fn a_third_interrupt_ends_a_deaf_driver() {
    let env = Env::with_drivers(&[]).with_bad("deaf");
    let mut init = env.start(&["init", "-r", "bad", "-a", "claude", "--progress", "plain"]);
    init.expect("Working").signal(Signal::INT);
    // Signals that come at once are one, so this may take some more.
    while init.goes_on() {
        std::thread::sleep(std::time::Duration::from_millis(200));
        init.signal(Signal::INT);
    }
    assert_snapshot!(init.finish(), @r"
    exit code 130
    --- stderr
    Working
    Error: interrupted
    What was created so far could not be removed yet (its driver was ended); the next command that changes something tries again
    ");
    env.assert_no_processes();
    assert_eq!(Env::tree(&env.storage().join("pending")).len(), 1);
    let env = env.set("BAD", "good");
    env.run(&["stop", "nope"]);
    assert_eq!(Env::tree(&env.storage().join("pending")), [""; 0]);
}

// SPEC: LIFE-28
#[test]
fn a_reading_command_is_interrupted_at_once() {
    let env = Env::with_drivers(&[]).with_bad("good");
    env.ok(&["init", "-r", "bad", "-a", "claude"]);
    let env = env.set("BAD", "mute");
    for command in [&["list"][..], &["info"], &["remove", "app", "--force"]] {
        let mut run = env.start(command);
        wait_until("the driver was started", || {
            env.processes().iter().any(|p| p.contains("runtime-bad")).then_some(())
        });
        run.signal(Signal::INT);
        let run = run.finish();
        assert_eq!((run.code, run.stderr.as_str()), (Some(130), "Error: interrupted\n"), "{command:?}");
        env.assert_no_processes();
    }
    assert_eq!(env.set("BAD", "good").list().len(), 1, "`remove --force` forgot nothing");
}
