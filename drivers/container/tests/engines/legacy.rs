//! Workspaces that the Go program made: a pod, a container in it without labels, and a folder in the storage.

use std::fs;

use serde_json::{Value, json};

use super::support::{Engine, SMALL, World};

/// Makes one as it would be there, and kdn's own record of it.
fn made_by_another(world: &World, pod: &str) -> String {
    world.engine.call(&["pod", "create", "--name", pod]);
    let create = ["create", "--pod", pod, "--name", &format!("{pod}-workspace"), SMALL, "sleep", "1000"];
    let id = world.engine.call(&create).lines().last().unwrap().to_owned();
    let storage = format!("storage/runtimes/podman/pods/{id}/podname");
    world.write(&storage, pod);
    let record = json!([{
        "id": "1".repeat(64), "name": "old", "agent": "shell", "project": "",
        "paths": {"source": world.project(), "configuration": world.project().join(".kaiden")},
        "runtime": {"type": "podman", "instance_id": id, "state": "running", "info": {"container_id": id}},
    }]);
    world.write("storage/instances.json", &record.to_string());
    id
}

#[test]
fn is_listed_stopped_and_removed() {
    for engine in [Engine::Podman, Engine::Rootless] {
        let Some(world) = World::on(engine) else { continue };
        let pod = format!("kdn-test-{}", world.mark());
        let id = made_by_another(&world, &pod);
        world.engine.call(&["pod", "start", &pod]);
        let state = || -> Value { world.list()[0]["state"].clone() };
        assert_eq!(state(), "running");
        let shown = world.ok(&["workspace", "show", "old"]);
        assert!(shown.contains("running"), "{shown}");
        world.ok(&["stop", "old"]);
        assert_eq!(state(), "stopped");
        let refused = world.fail(&["start", "old"]);
        assert!(refused.contains("made by an older kdn"), "{refused}");
        world.ok(&["remove", "old"]);
        assert_eq!(world.list(), [] as [Value; 0]);
        let left = world.engine.call(&["pod", "ps", "--quiet", "--filter", &format!("name={pod}")]);
        assert_eq!(left, "");
        assert!(!fs::exists(world.storage().join("pods").join(id)).unwrap());
    }
}
