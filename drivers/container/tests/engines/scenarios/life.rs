//! Workspaces, from `init` to `remove`.

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{World, sleeps, wait_until};

pub(super) fn life(world: &World) {
    let id = world.init(&[]);
    assert_eq!(world.states(), [("app".into(), "stopped".into())]);
    assert_eq!(world.ok(&["start", "app"]), id, "by name");
    assert_eq!(world.states(), [("app".into(), "running".into())]);
    assert_eq!(world.sh(&id, "pwd; cat readme"), "/workspace/sources\nhello", "by id, in the project folder");
    let refused = world.fail(&["remove", "app"]);
    assert!(refused.contains("running"), "{refused}");
    assert_eq!(world.containers().len(), 1);
    world.ok(&["stop", "app"]);
    assert_eq!(world.states(), [("app".into(), "stopped".into())]);
    world.ok(&["remove", "app"]);
    assert_eq!(world.list(), [] as [serde_json::Value; 0]);
    assert_eq!(world.containers(), [] as [String; 0]);
    let left = ["locks", "instances"].map(|folder| world.storage().join(folder).exists());
    assert_eq!(left, [false, false]);
}

pub(super) fn exec(world: &World) {
    world.init(&["--start"]);
    let run = world.run(&["terminal", "app", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(7), "out\n", "err\n"));
    let run = world.run(&["terminal", "app", "--", "no-such-command"]);
    assert_eq!(run.code, Some(127), "{run:?}");
    assert_eq!(world.ok(&["terminal", "app", "--", "echo", "a b", "$HOME", ""]), "a b $HOME");
}

pub(super) fn terminal_starts(world: &World) {
    world.init(&[]);
    assert_eq!(world.sh("app", "echo $HOME"), "/home/agent");
    assert_eq!(world.states(), [("app".into(), "running".into())]);
}

pub(super) fn terminal_closed(world: &World) {
    world.init(&["--start"]);
    let mark = world.mark();
    let script = format!("setsid sleep {mark}1 >/dev/null & exec sleep {mark}");
    let mut kdn = world.command(&["terminal", "app", "--", "sh", "-c", &script]).spawn().unwrap();
    wait_until("both run", || sleeps(&mark) && sleeps(&format!("{mark}1")));
    kill_process(Pid::from_child(&kdn), Signal::HUP).unwrap();
    assert_eq!(kdn.wait().unwrap().code(), Some(129));
    wait_until("the command has ended", || !sleeps(&mark));
    assert!(sleeps(&format!("{mark}1")), "what is in a session of its own runs on");
}

pub(super) fn force_remove(world: &World) {
    world.init(&["--start"]);
    world.ok(&["remove", "--force", "app"]);
    assert_eq!(world.containers(), [] as [String; 0]);
}

pub(super) fn names(world: &World) {
    world.init(&[]);
    world.init(&[]);
    world.init(&["--name", "Other One"]);
    let names: Vec<String> = world.states().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["app", "app-2", "other-one"]);
}

pub(super) fn unknown(world: &World) {
    for (verb, code) in [("start", 1), ("stop", 1), ("remove", 1), ("terminal", 125)] {
        let refused = world.run(&[verb, "nobody"]);
        assert_eq!(refused.code, Some(code), "{verb}");
        assert!(refused.stderr.contains("workspace not found: nobody"), "{verb}: {refused:?}");
    }
}

pub(super) fn apart(world: &World) {
    world.init(&["--name", "one", "--start"]);
    world.init(&["--name", "two", "--start"]);
    world.sh("one", "echo one > ~/file; (sleep 4321 &) >/dev/null 2>&1; true");
    assert_eq!(world.sh("two", "ls ~; ps | grep -c '[s]leep 4321' || true"), "Containerfile\n0");
    world.ok(&["stop", "one"]);
    assert_eq!(world.states(), [("one".into(), "stopped".into()), ("two".into(), "running".into())]);
    world.ok(&["start", "one"]);
    assert_eq!(world.sh("one", "cat ~/file"), "one", "the home outlives a stop");
}
