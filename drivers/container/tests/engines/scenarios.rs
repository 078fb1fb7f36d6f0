//! What users do with kdn, on each engine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::support::{DEBIAN, Engine, SECRET, SMALL, World};

/// A test of each scenario on each engine.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        scenarios!(podman Engine::Podman; $($name)*);
        scenarios!(podman_rootless Engine::Rootless; $($name)*);
        scenarios!(docker Engine::Docker; $($name)*);
    };
    ($module:ident $engine:expr; $($name:ident)*) => {
        mod $module {
            use super::{Engine, World};
            $(#[test] fn $name() {
                if let Some(world) = World::on($engine) {
                    super::$name(&world);
                }
            })*
        }
    };
}

scenarios! {
    life, exec, terminal_starts, terminal_closed, image_is_shared, force_remove, environment, shows_logs, agents, names, owner, mounts,
    unknown, apart, secret, sudo, ports, limits, renamed, deleted, paused, features, files, dashboard, interrupted,
    killed,
}

fn life(world: &World) {
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

fn exec(world: &World) {
    world.init(&["--start"]);
    let run = world.run(&["terminal", "app", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(7), "out\n", "err\n"));
    let run = world.run(&["terminal", "app", "--", "no-such-command"]);
    assert_eq!(run.code, Some(127), "{run:?}");
    assert_eq!(world.ok(&["terminal", "app", "--", "echo", "a b", "$HOME", ""]), "a b $HOME");
}

fn terminal_starts(world: &World) {
    world.init(&[]);
    assert_eq!(world.sh("app", "echo $HOME"), "/home/agent");
    assert_eq!(world.states(), [("app".into(), "running".into())]);
}

fn terminal_closed(world: &World) {
    world.init(&["--start"]);
    let mark = mark(world);
    let script = format!("setsid sleep {mark}1 >/dev/null & exec sleep {mark}");
    let mut kdn = world.command(&["terminal", "app", "--", "sh", "-c", &script]).spawn().unwrap();
    wait_until("both run", || sleeps(&mark) && sleeps(&format!("{mark}1")));
    kill_process(Pid::from_child(&kdn), Signal::HUP).unwrap();
    assert_eq!(kdn.wait().unwrap().code(), Some(129));
    wait_until("the command has ended", || !sleeps(&mark));
    assert!(sleeps(&format!("{mark}1")), "what is in a session of its own runs on");
}

fn image_is_shared(world: &World) {
    let own = world.root().file_name().unwrap().to_str().unwrap().to_lowercase();
    // Of its own, so that it is not there yet.
    configure_image(world, &json!({"run_commands": [format!("echo {own}")]}));
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

/// Writes `image.json`, with no packages unless it has some.
fn configure_image(world: &World, fields: &serde_json::Value) {
    let mut image = json!({"version": "latest", "packages": []});
    image.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    world.write(&format!("storage/runtimes/{}/config/image.json", world.engine.kind()), &image.to_string());
}

fn force_remove(world: &World) {
    world.init(&["--start"]);
    world.ok(&["remove", "--force", "app"]);
    assert_eq!(world.containers(), [] as [String; 0]);
}

fn environment(world: &World) {
    world.configure(&json!({"environment": [
        {"name": "PLAIN", "value": "one"},
        {"name": "ODD", "value": "it's \"two\"\n$HOME, three"},
    ]}));
    world.init(&["--start"]);
    assert_eq!(world.sh("app", "echo $PLAIN; echo \"$ODD\""), "one\nit's \"two\"\n$HOME, three");
}

fn shows_logs(world: &World) {
    // Of its own, so that it is not there yet.
    let line = format!("echo built in {}", world.root().display());
    configure_image(world, &json!({"run_commands": [line]}));
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

fn agents(world: &World) {
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

fn names(world: &World) {
    world.init(&[]);
    world.init(&[]);
    world.init(&["--name", "Other One"]);
    let names: Vec<String> = world.states().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["app", "app-2", "other-one"]);
}

fn owner(world: &World) {
    world.init(&["--start"]);
    world.sh("app", "echo written > file; mkdir folder; echo more >> readme");
    for name in ["file", "folder", "readme"] {
        let metadata = fs::metadata(world.project().join(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (world.owner(), world.owner()), "{name}");
    }
    assert_eq!(world.sh("app", "id -u; stat -c %u readme ."), format!("{0}\n{0}\n{0}", world.owner()));
}

fn mounts(world: &World) {
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
    assert_eq!(fs::read_to_string(fixed).unwrap(), "fixed\n");
}

fn unknown(world: &World) {
    for (verb, code) in [("start", 1), ("stop", 1), ("remove", 1), ("terminal", 125)] {
        let refused = world.run(&[verb, "nobody"]);
        assert_eq!(refused.code, Some(code), "{verb}");
        assert!(refused.stderr.contains("workspace not found: nobody"), "{verb}: {refused:?}");
    }
}

fn apart(world: &World) {
    world.init(&["--name", "one", "--start"]);
    world.init(&["--name", "two", "--start"]);
    world.sh("one", "echo one > ~/file; (sleep 4321 &) >/dev/null 2>&1; true");
    assert_eq!(world.sh("two", "ls ~; ps | grep -c '[s]leep 4321' || true"), "Containerfile\n0");
    world.ok(&["stop", "one"]);
    assert_eq!(world.states(), [("one".into(), "stopped".into()), ("two".into(), "running".into())]);
    world.ok(&["start", "one"]);
    assert_eq!(world.sh("one", "cat ~/file"), "one", "the home outlives a stop");
}

fn secret(world: &World) {
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
    assert!(refused.contains("not in the engine's store"), "{refused}");
}

fn sudo(world: &World) {
    configure_image(world, &json!({"sudo": ["/usr/bin/apt-get"]}));
    let base = world.engine.flag(DEBIAN);
    world.ok(&["init", "--runtime", world.engine.kind(), "--agent", "shell", &base, "--start"]);
    assert!(world.sh("app", "sudo -n apt-get --version").starts_with("apt "));
    let refused = world.run(&["terminal", "app", "--", "sudo", "-n", "id"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(world.sh("app", "whoami"), "agent");
}

fn ports(world: &World) {
    world.configure(&json!({"ports": [8080]}));
    world.init(&["--start"]);
    let forward = world.list()[0]["forwards"][0].clone();
    let port = u16::try_from(forward["port"].as_u64().unwrap()).unwrap();
    world.sh("app", "(echo hello | nc -l -p 8080 &) >/dev/null 2>&1; sleep 0.3");
    let mut answer = String::new();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert_eq!(answer, "hello\n");
    world.ok(&["stop", "app"]);
    let _holder = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let refused = world.fail(&["start", "app"]);
    assert!(refused.contains(&format!("host port {port} is taken")), "{refused}");
}

fn limits(world: &World) {
    world.configure(&json!({"limits": {"pids": 20}}));
    let base = world.engine.flag(SMALL);
    let run = world.run(&["init", "--runtime", world.engine.kind(), "--agent", "shell", &base, "--start"]);
    let unlimited =
        world.engine == Engine::Rootless && !fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap();
    if unlimited {
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

fn renamed(world: &World) {
    world.init(&["--start"]);
    let id = world.containers().remove(0);
    world.engine.call(&["rename", &id, &format!("taken-over-{id:.12}")]);
    assert_eq!(world.states(), [("app".into(), "error".into())]);
    let refused = world.fail(&["start", "app"]);
    assert!(refused.contains("instance not found"), "{refused}");
    world.ok(&["remove", "--force", "app"]);
    assert_eq!(world.containers(), [id], "it is not ours any more");
}

fn deleted(world: &World) {
    world.init(&["--start"]);
    let id = world.containers().remove(0);
    world.engine.call(&["rm", "--force", &id]);
    assert_eq!(world.states(), [("app".into(), "error".into())]);
    let refused = world.fail(&["start", "app"]);
    assert!(refused.contains("instance not found"), "{refused}");
    world.ok(&["remove", "app"]);
    assert_eq!(world.list(), [] as [serde_json::Value; 0]);
}

fn paused(world: &World) {
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
    world.ok(&["remove", "app"]);
    assert_eq!(world.containers(), [] as [String; 0]);
}

fn features(world: &World) {
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

fn files(world: &World) {
    let settings = "storage/config/shell/.config/tool";
    world.write(&format!("{settings}/settings.json"), "{}\n");
    let script = world.write(&format!("{settings}/run"), "#!/bin/sh\necho ran\n");
    fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.init(&["--start"]);
    let seen = world.sh("app", "cd ~/.config/tool && cat settings.json && ./run && stat -c '%a %u' settings.json run . && echo more > new");
    assert_eq!(seen, format!("{{}}\nran\n600 {0}\n700 {0}\n700 {0}", world.owner()));
}

fn dashboard(world: &World) {
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

/// Starts to make a workspace whose image takes long, and waits until that is under way. Returns a mark of its processes.
fn begin_slow_build(world: &World) -> (Child, String) {
    let mark = mark(world);
    let lines = ["echo under way".to_owned(), format!("sleep {mark}")];
    configure_image(world, &json!({"run_commands": lines}));
    let base = world.engine.flag(SMALL);
    let args = ["init", "--runtime", world.engine.kind(), "--agent", "shell", "--show-logs", &base];
    let mut kdn = world.command(&args).spawn().unwrap();
    let mut lines = BufReader::new(kdn.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(&format!("sleep {mark}"))), "the build did not begin");
    wait_until("it sleeps", || sleeps(&mark));
    std::thread::spawn(move || lines.for_each(drop));
    (kdn, mark)
}

/// A number of seconds that no other world sleeps for.
fn mark(world: &World) -> String {
    format!("4{:09}", world.root().metadata().unwrap().ino() % 1_000_000_000)
}

fn sleeps(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line == format!("sleep\0{mark}\0").into_bytes())
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Nothing is left of a build.
fn assert_nothing_left(world: &World, mark: &str) {
    // The daemon of docker takes a moment.
    wait_until("its commands have ended", || !sleeps(mark));
    assert_eq!(world.containers(), [] as [String; 0]);
    let left = ["locks", "instances"].map(|folder| world.storage().join(folder).exists());
    assert_eq!(left, [false, false]);
}

fn interrupted(world: &World) {
    let (mut kdn, mark) = begin_slow_build(world);
    kill_process(Pid::from_child(&kdn), Signal::INT).unwrap();
    assert_eq!(kdn.wait().unwrap().code(), Some(130));
    assert_nothing_left(world, &mark);
    assert_eq!(world.list(), [] as [serde_json::Value; 0]);
}

fn killed(world: &World) {
    let (mut kdn, mark) = begin_slow_build(world);
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
    // The next command that changes something cleans up.
    configure_image(world, &json!({}));
    world.init(&[]);
    world.ok(&["remove", "app"]);
    assert_nothing_left(world, &mark);
}
