//! What is in an image, and how it is made.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{DEBIAN, Engine, SMALL, World, sleeps, text, wait_until};

pub(super) fn image_is_shared(world: &World) {
    let own = world.root().file_name().unwrap().to_str().unwrap().to_lowercase();
    // Of its own, so that it is not there yet.
    world.configure_image(&json!({"run_commands": [format!("echo {own}")]}));
    let name = |number: usize| format!("{own}-{number}");
    let base = world.engine.flag(SMALL);
    let begin = |number: usize| {
        let args = ["init", "--runtime", world.engine.kind(), "--agent", "shell", &base, "--name"];
        world.command(&[&args[..], &[&name(number)]].concat()).spawn().unwrap()
    };
    let outputs = [1, 2, 3].map(begin).map(|kdn| kdn.wait_with_output().unwrap());
    let all: String = outputs.iter().map(|output| String::from_utf8_lossy(&output.stderr)).collect();
    assert!(outputs.iter().all(|output| output.status.success()), "{all}");
    assert_eq!(all.matches("Building container image").count(), 1, "made once, also at the same time: {all}");
    let image =
        |number| world.engine.call(&["images", "--quiet", "--no-trunc", &format!("kdn-{}", name(number))]);
    assert_eq!([image(2), image(3)], [image(1), image(1)]);
    world.ok(&["remove", &name(1)]);
    assert!(!image(1).is_empty(), "the image stays");
    assert_eq!(world.sh(&name(2), "cat readme"), "hello");
}

pub(super) fn shows_logs(world: &World) {
    // Of its own, so that it is not there yet.
    let line = format!("echo built in {}", world.root().display());
    world.configure_image(&json!({"run_commands": [line]}));
    let base = world.engine.flag(SMALL);
    let args = ["init", "--runtime", world.engine.kind(), "--agent", "shell", "--show-logs", &base];
    let run = world.run(&args);
    assert_eq!(run.code, Some(0), "{run:?}");
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains(&format!("built in {}", world.root().display())), "{all}");
    let again = world.run(&[&args[..], &["--name", "again"]].concat());
    assert!(again.stderr.contains("Container image is up to date"), "{}", again.stderr);
    assert!(!format!("{}{}", again.stdout, again.stderr).contains("RUN"), "{again:?}");
}

pub(super) fn tells_how_far(world: &World) {
    // Of its own, so that it is not there yet.
    world.configure_image(&json!({"run_commands": [format!("echo counted in {}", world.root().display())]}));
    let base = world.engine.flag(SMALL);
    let kind = world.engine.kind();
    let run = world.run(&["init", "--runtime", kind, "--agent", "shell", "--progress", "json", &base]);
    let events = run.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let counts: Vec<(u64, u64)> =
        events.filter_map(|event| Some((event["current"].as_u64()?, event["total"].as_u64()?))).collect();
    let total = counts.len() as u64;
    assert!(total > 10, "{run:?}");
    assert_eq!(counts, (0..total).map(|current| (current, total)).collect::<Vec<_>>());
}

pub(super) fn agents(world: &World) {
    let own = json!({
        "run_commands": ["mkdir -p ~/.local/bin", "printf '#!/bin/sh\\necho \"mine $*\"\\n' > ~/.local/bin/mine", "chmod +x ~/.local/bin/mine"],
        "terminal_command": ["mine", "--configured"],
        "env_vars": {"MINE": "yes"},
    });
    world.write(&format!("storage/runtimes/{}/config/mine.json", world.engine.kind()), &own.to_string());
    let base = world.engine.flag(SMALL);
    world.ok(&["init", "--runtime", world.engine.kind(), "--agent", "mine", &base, "--start"]);
    assert_eq!(world.ok(&["terminal", "app"]), "mine --configured");
    assert_eq!(world.sh("app", "mine by hand; echo $MINE"), "mine by hand\nyes");
    let refused = world.fail(&[
        "init",
        "--runtime",
        world.engine.kind(),
        "--agent",
        "nobody",
        "--name",
        "other",
        &base,
    ]);
    assert!(refused.contains("configuration file not found for"), "{refused}");
}

pub(super) fn sudo(world: &World) {
    world.configure_image(&json!({"sudo": ["/usr/bin/apt-get"]}));
    let base = world.engine.flag(DEBIAN);
    world.ok(&["init", "--runtime", world.engine.kind(), "--agent", "shell", &base, "--start"]);
    assert!(world.sh("app", "sudo -n apt-get --version").starts_with("apt "));
    let refused = world.run(&["terminal", "app", "--", "sudo", "-n", "id"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(world.sh("app", "whoami"), "agent");
}

pub(super) fn features(world: &World) {
    let install = "#!/bin/sh\nset -e\n[ \"$(id -u)\" = 0 ]\nprintf '%s' \"$GREETING\" > /opt/greeting\necho \"$_REMOTE_USER\" >> /opt/greeting\n";
    let metadata = json!({
        "id": "greet", "version": "1.0.0",
        "options": {"greeting": {"type": "string", "default": "hi"}},
        "containerEnv": {"GREET_HOME": "/opt/greet", "PATH": "/opt/greet/bin:${PATH}"},
    });
    world.write("app/.kaiden/greet/install.sh", install);
    world.write("app/.kaiden/greet/devcontainer-feature.json", &metadata.to_string());
    world.configure(&json!({"features": {"./greet": {"greeting": "it's \"me\"\n$HOME "}}}));
    world.init(&["--start"]);
    assert_eq!(
        world.sh("app", "cat /opt/greeting; echo $GREET_HOME ${PATH%%:*}"),
        "it's \"me\"\n$HOME agent\n/opt/greet /opt/greet/bin"
    );
}

pub(super) fn dashboard(world: &World) {
    // What it takes to install the agent can't be fetched here.
    let own = json!({"run_commands": [], "terminal_command": ["sh"]});
    world.write(&format!("storage/runtimes/{}/config/openclaw.json", world.engine.kind()), &own.to_string());
    let base = world.engine.flag(SMALL);
    world.ok(&["init", "--runtime", world.engine.kind(), "--agent", "openclaw", &base]);
    let refused = world.fail(&["dashboard", "app", "--url"]);
    assert!(refused.contains("not running"), "{refused}");
    world.ok(&["start", "app"]);
    let port = world.list()[0]["forwards"][0]["port"].clone();
    assert_eq!(world.ok(&["dashboard", "app", "--url"]), format!("http://127.0.0.1:{port}/"));
}

/// Starts to make a workspace, and waits until the build of its image prints a line that begins so.
fn begin_build(world: &World, command: &str, line: &str) -> Child {
    world.configure_image(&json!({"run_commands": [command]}));
    let base = world.engine.flag(&own_base(world));
    let args = ["init", "--runtime", world.engine.kind(), "--agent", "shell", "--show-logs", &base];
    let mut kdn = world.command(&args).spawn().unwrap();
    let mut lines = BufReader::new(kdn.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|printed| printed.contains(line)), "the build did not begin");
    std::thread::spawn(move || lines.for_each(drop));
    kdn
}

/// The same for an image that takes long.
fn begin_slow_build(world: &World) -> Child {
    let mark = world.mark();
    let kdn = begin_build(world, &format!("sleep {mark}"), &format!("sleep {mark}"));
    wait_until("it sleeps", || sleeps(&mark));
    kdn
}

/// The small base image under a name of this world, which the containers of builds have in theirs.
fn own_base(world: &World) -> String {
    let name = format!("localhost/kdn-test-{}:base", world.mark());
    world.engine.call(&["tag", SMALL, &name]);
    name
}

/// Nothing is left of a build that an interrupt or a kill ended.
fn assert_nothing_left(world: &World) {
    let mark = world.mark();
    // The end of a build takes its time: a driver does not wait for it.
    wait_until("its commands have ended", || !sleeps(&mark));
    let external = if world.engine == Engine::Docker { "--all" } else { "--external" };
    wait_until("its containers are gone", || {
        let args = ["ps", "--all", external, "--no-trunc", "--format", "{{.Names}} {{.Command}}"];
        let output = world.engine.command(world.engine.kind()).args(args).output().unwrap();
        // Podman fails where a container goes meanwhile.
        output.status.success() && !text(&output.stdout).contains(&mark)
    });
    assert_eq!(world.containers(), [] as [String; 0]);
    assert_eq!(world.list(), [] as [serde_json::Value; 0]);
    // The next commands clean up.
    world.configure_image(&json!({}));
    world.init(&[]);
    wait_until("its folders are gone", || {
        world.list();
        ["locks", "instances"].iter().all(|folder| !world.storage().join(folder).exists())
    });
    world.ok(&["remove", "app"]);
    world.engine.call(&["rmi", "--force", &format!("localhost/kdn-test-{mark}:base")]);
}

pub(super) fn interrupted(world: &World) {
    let mut kdn = begin_slow_build(world);
    kill_process(Pid::from_child(&kdn), Signal::INT).unwrap();
    assert_eq!(kdn.wait().unwrap().code(), Some(130));
    assert_nothing_left(world);
}

/// While the engine stores what a command has written, there is none to kill.
pub(super) fn interrupted_between_commands(world: &World) {
    let mut kdn = begin_build(
        world,
        &format!("dd if=/dev/zero of=$HOME/{} bs=1M count=300", world.mark()),
        "records out",
    );
    kill_process(Pid::from_child(&kdn), Signal::INT).unwrap();
    assert_eq!(kdn.wait().unwrap().code(), Some(130));
    assert_nothing_left(world);
}

pub(super) fn killed(world: &World) {
    let mut kdn = begin_slow_build(world);
    let program = format!("kdn-runtime-{}", world.engine.kind());
    let storage = world.root().display().to_string();
    let driver = fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
        let has = |file: &str, text: &str| {
            String::from_utf8_lossy(&fs::read(process.path().join(file)).unwrap_or_default()).contains(text)
        };
        let found = has("cmdline", &program) && has("environ", &storage);
        found.then(|| process.file_name().to_str().unwrap().parse().unwrap())
    });
    kill_process(Pid::from_raw(driver.expect("a driver")).unwrap(), Signal::KILL).unwrap();
    assert_eq!(kdn.wait().unwrap().code(), Some(1));
    assert_nothing_left(world);
}
