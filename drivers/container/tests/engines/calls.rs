//! How often an engine is called, which is what most commands cost.

use std::fs;

use insta::assert_snapshot;

use crate::scene::Scene;
use crate::support::Engine;

/// The first word of each call of the engine that kdn makes for these commands.
fn calls(engine: Engine) -> Option<String> {
    let mut scene = Scene::on(engine)?;
    scene.world.init(&[]);
    let (log, kind) = (scene.world.write("calls", ""), engine.kind());
    scene.shim(kind, &format!("echo $1 >> '{}'; exec $(which -a {kind} | tail -n 1) \"$@\"", log.display()));
    let of = |command: &&str| {
        fs::write(&log, "").unwrap();
        let said = scene.says(command);
        assert!(said.ends_with("[0]\n"), "{said}");
        let calls = fs::read_to_string(&log).unwrap();
        format!("{command}: {}\n", calls.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    Some(["list", "start app", "start app", "list", "stop app", "remove app"].iter().map(of).collect())
}

#[test]
fn of_podman() {
    let Some(calls) = calls(Engine::Podman) else { return };
    assert_snapshot!(calls, @r"
    list: ps
    start app: start
    start app: ps start
    list: ps
    stop app: stop
    remove app: ps ps rm
    ");
}

#[test]
fn of_docker() {
    let Some(calls) = calls(Engine::Docker) else { return };
    assert_snapshot!(calls, @r"
    list: ps
    start app: ps start
    start app: ps ps
    list: ps
    stop app: stop
    remove app: ps ps rm
    ");
}
