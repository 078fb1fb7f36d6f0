//! What a container is given.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::support::{Engine, SECRET, SMALL, World, wait_until};

pub(super) fn environment(world: &World) {
    world.configure(&json!({"environment": [
        {"name": "PLAIN", "value": "one"},
        {"name": "ODD", "value": "it's \"two\"\n$HOME, three"},
    ]}));
    world.init(&["--start"]);
    assert_eq!(world.sh("app", "echo $PLAIN; echo \"$ODD\""), "one\nit's \"two\"\n$HOME, three");
}

pub(super) fn secret(world: &World) {
    world.configure(&json!({"environment": [{"name": "TOKEN", "secret": SECRET}]}));
    if world.engine == Engine::Docker {
        let base = world.engine.flag(SMALL);
        let refused = world.fail(&["init", "--runtime", "docker", "--agent", "shell", &base]);
        assert!(refused.contains("secret"), "{refused}");
        return;
    }
    world.init(&["--start"]);
    assert_eq!(world.sh("app", "echo $TOKEN"), "stored");
    world.configure(&json!({"environment": [{"name": "TOKEN", "secret": "kdn-no-such-secret"}]}));
    let base = world.engine.flag(SMALL);
    let refused = world.fail(&["init", "--runtime", "podman", "--agent", "shell", "--name", "other", &base]);
    assert!(
        refused.contains("not in the engine's store") && refused.contains("kdn-no-such-secret"),
        "{refused}"
    );
}

pub(super) fn owner(world: &World) {
    world.init(&["--start"]);
    world.sh("app", "echo written > file; mkdir folder; echo more >> readme");
    for name in ["file", "folder", "readme"] {
        let metadata = fs::metadata(world.project().join(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (world.owner(), world.owner()), "{name}");
    }
    assert_eq!(world.sh("app", "id -u; stat -c %u readme ."), format!("{0}\n{0}\n{0}", world.owner()));
}

pub(super) fn mounts(world: &World) {
    let shared = world.write("shared, with: odd 'name'/file", "shared\n");
    let fixed = world.write("fixed/file", "fixed\n");
    world.configure(&json!({"mounts": [
        {"host": shared.parent(), "target": "/workspace/shared"},
        {"host": shared.parent(), "target": "$SOURCES/deep/er"},
        {"host": fixed.parent(), "target": "$HOME/.cache/fixed", "ro": true},
    ]}));
    world.init(&["--start"]);
    assert_eq!(world.sh("app", "cat /workspace/shared/file ~/.cache/fixed/file"), "shared\nfixed");
    world.sh("app", "echo changed > /workspace/shared/file; echo mine > ~/.cache/own");
    assert_eq!(fs::read_to_string(shared).unwrap(), "changed\n");
    assert_eq!(world.sh("app", "cat deep/er/file"), "changed");
    assert_eq!(fs::metadata(world.project().join("deep")).unwrap().uid(), world.owner());
    let refused = world.run(&["terminal", "app", "--", "sh", "-c", "echo changed > ~/.cache/fixed/file"]);
    assert_ne!(refused.code, Some(0));
    assert_eq!(fs::read_to_string(&fixed).unwrap(), "fixed\n");
    world.ok(&["stop", "app"]);
    fs::remove_dir_all(fixed.parent().unwrap()).unwrap();
    let refused = world.fail(&["start", "app"]);
    assert!(refused.contains("not there any more") && refused.contains("/fixed"), "{refused}");
}

pub(super) fn files(world: &World) {
    let settings = "storage/config/shell/.config/tool";
    world.write(&format!("{settings}/settings.json"), "{}\n");
    let script = world.write(&format!("{settings}/run"), "#!/bin/sh\necho ran\n");
    fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.init(&["--start"]);
    let seen = world.sh("app", "cd ~/.config/tool && cat settings.json && ./run && stat -c '%a %u' settings.json run . && echo more > new");
    assert_eq!(seen, format!("{{}}\nran\n600 {0}\n700 {0}\n700 {0}", world.owner()));
}

pub(super) fn ports(world: &World) {
    world.configure(&json!({"ports": [8080]}));
    world.init(&["--start"]);
    let forward = world.list()[0]["forwards"][0].clone();
    let port = u16::try_from(forward["port"].as_u64().unwrap()).unwrap();
    world.sh("app", "(echo hello | nc -l -p 8080 &) >/dev/null 2>&1");
    wait_until("it answers", || {
        let mut answer = String::new();
        let stream = std::net::TcpStream::connect(("127.0.0.1", port));
        let read = stream.and_then(|mut stream| stream.read_to_string(&mut answer));
        read.is_ok() && answer == "hello\n"
    });
    world.ok(&["stop", "app"]);
    let mut holder = None;
    wait_until("the port is free", || {
        holder = std::net::TcpListener::bind(("127.0.0.1", port)).ok();
        holder.is_some()
    });
    let refused = world.fail(&["start", "app"]);
    assert!(refused.contains(&format!("host port {port} is taken")), "{refused}");
}

pub(super) fn limits(world: &World) {
    world.configure(&json!({"limits": {"pids": 20}}));
    let base = world.engine.flag(SMALL);
    let run = world.run(&["init", "--runtime", world.engine.kind(), "--agent", "shell", &base, "--start"]);
    if world.engine == Engine::Rootless && !enforces_limits() {
        assert!(
            run.code == Some(1) && run.stderr.contains("limit"),
            "what can't be enforced is refused: {run:?}"
        );
        return;
    }
    assert_eq!(run.code, Some(0), "{run:?}");
    let forks = "for n in $(seq 40); do sleep 5 & done 2>&1 | grep -c fork; true";
    assert_ne!(world.sh("app", &format!("sh -c '{forks}'")), "0");
}

pub(super) fn out_of_memory(world: &World) {
    if world.engine == Engine::Rootless && !enforces_limits() {
        return;
    }
    world.configure(&json!({"limits": {"memory": "64MiB"}}));
    world.init(&["--start"]);
    let run =
        world.run(&["terminal", "app", "--", "dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"]);
    assert_eq!(run.code, Some(137), "{run:?}");
    world.ok(&["stop", "app"]);
    let reason = world.list()[0]["reason"].clone();
    // With control groups of version 1, podman does not notice what happens to a command of a terminal.
    assert!(reason == "out of memory" || world.engine != Engine::Docker && reason.is_null(), "{reason}");
    world.ok(&["start", "app"]);
    world.ok(&["stop", "app"]);
    assert_eq!(world.list()[0]["reason"], json!(null));
}

/// Whether a rootless podman can: not with control groups of version 1.
fn enforces_limits() -> bool {
    fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap()
}
