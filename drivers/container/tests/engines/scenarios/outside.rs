//! Containers that somebody changed by hand.

use serde_json::json;

use crate::support::World;

pub(super) fn killed_outside(world: &World) {
    world.init(&["--start"]);
    let id = world.containers().remove(0);
    world.engine.call(&["kill", &id]);
    world.engine.call(&["wait", &id]);
    assert_eq!(world.states(), [("app".into(), "stopped".into())]);
    assert_eq!(world.list()[0]["reason"], "exit code 137");
    world.ok(&["start", "app"]);
    assert_eq!(world.list()[0]["reason"], json!(null));
}

pub(super) fn renamed(world: &World) {
    world.init(&["--start"]);
    let id = world.containers().remove(0);
    world.engine.call(&["rename", &id, &format!("taken-over-{id:.12}")]);
    assert_eq!(world.states(), [("app".into(), "error".into())]);
    let refused = world.fail(&["start", "app"]);
    assert!(refused.contains("instance not found"), "{refused}");
    world.ok(&["remove", "--force", "app"]);
    assert_eq!(world.containers(), [id], "it is not ours any more");
}

pub(super) fn deleted(world: &World) {
    world.init(&["--start"]);
    let id = world.containers().remove(0);
    world.engine.call(&["rm", "--force", &id]);
    assert_eq!(world.states(), [("app".into(), "error".into())]);
    let refused = world.fail(&["start", "app"]);
    assert!(refused.contains("instance not found"), "{refused}");
    world.ok(&["remove", "app"]);
    assert_eq!(world.list(), [] as [serde_json::Value; 0]);
}

pub(super) fn paused(world: &World) {
    world.init(&["--start"]);
    let id = world.containers().remove(0);
    let paused = world.engine.command(world.engine.kind()).args(["pause", &id]).output().unwrap();
    if !paused.status.success() {
        // Rootless podman can't, with control groups of version 1.
        return;
    }
    assert_eq!(world.states(), [("app".into(), "stopped".into())]);
    world.ok(&["start", "app"]);
    assert_eq!(world.sh("app", "cat readme"), "hello");
    world.engine.call(&["pause", &id]);
    world.ok(&["stop", "app"]);
    world.ok(&["start", "app"]);
    world.engine.call(&["pause", &id]);
    world.ok(&["remove", "app"]);
    assert_eq!(world.containers(), [] as [String; 0]);
}
