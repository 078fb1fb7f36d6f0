//! What users read when something is wrong with an engine, and what is left behind then.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use insta::{allow_duplicates, assert_snapshot};
use serde_json::json;

use super::support::{Engine, SMALL, World, text};

/// Commands on an existing workspace `app`.
const ALL: [&str; 5] = ["list", "start app", "stop app", "terminal app", "remove app"];

/// A world in whose surroundings something is wrong: variables of its environment say what.
struct Scene {
    world: World,
    wrong: Vec<(&'static str, String)>,
}

impl Scene {
    fn on(engine: Engine) -> Option<Self> {
        Some(Self { world: World::on(engine)?, wrong: Vec::new() })
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.wrong.push((name, value.into()));
    }

    /// A program that is found before all others.
    fn shim(&mut self, name: &str, script: &str) {
        let path = self.world.write(&format!("shims/{name}"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", path.parent().unwrap().display(), std::env::var("PATH").unwrap());
        self.set("PATH", path);
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.world.engine.command(program);
        command.envs(self.wrong.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What kdn says on stderr, and with which exit code it ends.
    fn says(&self, command: &str) -> String {
        let silent = ["--progress", "none"].into_iter().filter(|_| command != "list");
        let args: Vec<&str> = command.split(' ').filter(|arg| !arg.is_empty()).chain(silent).collect();
        let mut kdn = self.world.command(&args);
        kdn.envs(self.wrong.iter().map(|(name, value)| (name, value)));
        let output = kdn.output().unwrap();
        let code = output.status.code().unwrap();
        self.masked(&format!("$ kdn {command}\n{}[{code}]\n", text(&output.stderr)))
    }

    fn init(&self, more: &str) -> String {
        let kind = self.world.engine.kind();
        self.says(&format!("init --runtime {kind} --agent shell {more}"))
    }

    /// The same with what differs from run to run left out.
    fn masked(&self, said: &str) -> String {
        let kind = self.world.engine.kind();
        let said = said.replace(&*self.world.root().to_string_lossy(), "WORLD");
        let said = said.replace(&format!("init --runtime {kind} --agent shell"), "init");
        let mut masked = String::new();
        let mut hex = String::new();
        for c in said.chars().chain(['\n']) {
            if c.is_ascii_hexdigit() {
                hex.push(c);
                continue;
            }
            masked += if hex.len() == 64 { "ID" } else { &hex };
            hex.clear();
            masked.push(c);
        }
        masked.trim_end().to_owned() + "\n"
    }

    /// How many containers the engine has.
    fn count(&self) -> usize {
        let output =
            self.command(self.world.engine.kind()).args(["ps", "--all", "--quiet"]).output().unwrap();
        text(&output.stdout).lines().count()
    }

    /// That neither a container nor a file is left of an `init` that failed.
    fn assert_nothing_left(&self) {
        assert_eq!(self.world.containers(), [] as [String; 0]);
        let storage = self.world.root().join("storage");
        let left = ["instances", "known", "locks"].map(|folder| self.world.storage().join(folder).exists());
        assert_eq!(left, [false; 3]);
        let pending = fs::read_dir(storage.join("pending")).map_or(0, Iterator::count);
        assert_eq!((pending, self.world.list().len()), (0, 0));
    }
}

/// What kdn says of each command about a workspace that was there before the trouble, and of a new one.
fn of_all(scene: &mut Scene, wrong: &[(&'static str, &str)]) -> String {
    scene.world.init(&["--start"]);
    scene.wrong.extend(wrong.iter().map(|&(name, value)| (name, value.to_owned())));
    let mut said: Vec<String> = ALL.iter().map(|command| scene.says(command)).collect();
    said.push(scene.init("--name other"));
    said.push(scene.says("remove --force app"));
    scene.wrong.clear();
    said.concat()
}

#[test]
fn engine_missing() {
    // Docker is found wherever it is installed, also outside of PATH.
    let Some(mut scene) = Scene::on(Engine::Podman) else { return };
    let said = of_all(&mut scene, &[("PATH", "/no/such/folder")]);
    assert_snapshot!(said, @r#"
    $ kdn list
    Warning: the last known states are shown: failed to list the instances of runtime "podman": podman not found in PATH
    install Podman: https://podman.io/docs/installation
    [0]
    $ kdn start app
    Error: failed to get runtime info: podman not found in PATH
    install Podman: https://podman.io/docs/installation
    [1]
    $ kdn stop app
    Error: failed to stop runtime instance: podman not found in PATH
    install Podman: https://podman.io/docs/installation
    [1]
    $ kdn terminal app
    Error: failed to open a terminal: podman not found in PATH
    install Podman: https://podman.io/docs/installation
    [125]
    $ kdn remove app
    Error: failed to get runtime info: podman not found in PATH
    install Podman: https://podman.io/docs/installation
    Use --force to forget the workspace, whatever its runtime still holds
    [1]
    $ kdn init --name other
    Error: failed to create runtime instance: podman not found in PATH
    install Podman: https://podman.io/docs/installation
    [1]
    $ kdn remove --force app
    Warning: failed to get runtime info: podman not found in PATH
    The workspace was forgotten; instance ID of runtime "podman" may be left behind
    [0]
    "#);
}

#[test]
fn podman_machine_stopped() {
    for engine in [Engine::Podman, Engine::Rootless] {
        let Some(mut scene) = Scene::on(engine) else { continue };
        let said = of_all(&mut scene, &[("CONTAINER_HOST", "unix:///no/such/socket")]);
        allow_duplicates! { assert_snapshot!(said, @r#"
        $ kdn list
        Warning: the last known states are shown: failed to list the instances of runtime "podman": podman can't be reached: its machine does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start it: podman machine start; if there is none yet, make it before: podman machine init
        [0]
        $ kdn start app
        Error: failed to get runtime info: podman can't be reached: its machine does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start it: podman machine start; if there is none yet, make it before: podman machine init
        [1]
        $ kdn stop app
        Error: failed to stop runtime instance: podman can't be reached: its machine does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start it: podman machine start; if there is none yet, make it before: podman machine init
        [1]
        $ kdn terminal app
        Error: failed to open a terminal: podman can't be reached: its machine does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start it: podman machine start; if there is none yet, make it before: podman machine init
        [125]
        $ kdn remove app
        Error: failed to get runtime info: podman can't be reached: its machine does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start it: podman machine start; if there is none yet, make it before: podman machine init
        Use --force to forget the workspace, whatever its runtime still holds
        [1]
        $ kdn init --name other
        Error: failed to create runtime instance: podman can't be reached: its machine does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start it: podman machine start; if there is none yet, make it before: podman machine init
        [1]
        $ kdn remove --force app
        Warning: failed to get runtime info: podman can't be reached: its machine does not run
        The workspace was forgotten; instance ID of runtime "podman" may be left behind
        [0]
        "#); }
    }
}

#[test]
fn docker_daemon_down() {
    let Some(mut scene) = Scene::on(Engine::Docker) else { return };
    let said = of_all(&mut scene, &[("DOCKER_HOST", "unix:///no/such/socket")]);
    assert_snapshot!(said, @r#"
    $ kdn list
    Warning: the last known states are shown: failed to list the instances of runtime "docker": the docker daemon can't be reached
    docker says: Cannot connect to the Docker daemon at unix:///no/such/socket. Is the docker daemon running?
    start it: sudo systemctl start docker, or Docker Desktop; DOCKER_HOST and `docker context ls` tell which one is meant
    [0]
    $ kdn start app
    Error: failed to get runtime info: the docker daemon can't be reached
    docker says: Cannot connect to the Docker daemon at unix:///no/such/socket. Is the docker daemon running?
    start it: sudo systemctl start docker, or Docker Desktop; DOCKER_HOST and `docker context ls` tell which one is meant
    [1]
    $ kdn stop app
    Error: failed to stop runtime instance: the docker daemon can't be reached
    docker says: Cannot connect to the Docker daemon at unix:///no/such/socket. Is the docker daemon running?
    start it: sudo systemctl start docker, or Docker Desktop; DOCKER_HOST and `docker context ls` tell which one is meant
    [1]
    $ kdn terminal app
    Error: failed to open a terminal: the docker daemon can't be reached
    docker says: Cannot connect to the Docker daemon at unix:///no/such/socket. Is the docker daemon running?
    start it: sudo systemctl start docker, or Docker Desktop; DOCKER_HOST and `docker context ls` tell which one is meant
    [125]
    $ kdn remove app
    Error: failed to get runtime info: the docker daemon can't be reached
    docker says: Cannot connect to the Docker daemon at unix:///no/such/socket. Is the docker daemon running?
    start it: sudo systemctl start docker, or Docker Desktop; DOCKER_HOST and `docker context ls` tell which one is meant
    Use --force to forget the workspace, whatever its runtime still holds
    [1]
    $ kdn init --name other
    Error: failed to create runtime instance: the docker daemon can't be reached
    docker says: Cannot connect to the Docker daemon at unix:///no/such/socket. Is the docker daemon running?
    start it: sudo systemctl start docker, or Docker Desktop; DOCKER_HOST and `docker context ls` tell which one is meant
    [1]
    $ kdn remove --force app
    Warning: failed to get runtime info: the docker daemon can't be reached
    The workspace was forgotten; instance ID of runtime "docker" may be left behind
    [0]
    "#);
    assert_eq!(scene.world.containers().len(), 1, "kdn said that it may be left behind");
}

#[test]
fn no_permission() {
    let Some(mut scene) = Scene::on(Engine::Rootless) else { return };
    let socket = scene.world.root().join("podman.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let address = format!("unix://{}", socket.display());
    scene.set("CONTAINER_HOST", &address);
    let mut said = scene.init("");
    scene.assert_nothing_left();
    if Engine::Docker.is_there() {
        scene.set("DOCKER_HOST", &address);
        said += &scene.says("init --runtime docker --agent shell");
    }
    assert_snapshot!(said, @r"
    $ kdn init 
    Error: failed to create runtime instance: no permission to talk to podman
    podman says: unable to connect to Podman socket: dial unix WORLD/podman.sock: connect: permission denied
    CONTAINER_HOST, or `podman system connection list`, names the socket of another user: name one of your own
    [1]
    $ kdn init --runtime docker --agent shell
    Error: failed to create runtime instance: no permission to talk to the docker daemon
    docker says: permission denied while trying to connect to the Docker daemon socket at unix://WORLD/podman.sock: dial unix WORLD/podman.sock: connect: permission denied
    join the group docker: sudo usermod -aG docker $USER, and log in again
    [1]
    ");
}

#[test]
fn too_old() {
    for engine in [Engine::Podman, Engine::Docker] {
        let Some(mut scene) = Scene::on(engine) else { continue };
        let base = engine.flag(SMALL);
        let kind = engine.kind();
        let version = if engine == Engine::Docker { "19.03.15" } else { "3.4.4" };
        scene.shim(
            kind,
            &format!("[ $1 = version ] && echo {version} || exec $(which -a {kind} | tail -n 1) \"$@\""),
        );
        let said = scene.init(&base);
        scene.assert_nothing_left();
        scene.wrong.clear();
        // One whose version is not told, and which lacks an option.
        scene.shim(kind, &format!("[ $1 = create ] && shift && set -- create --no-such-option \"$@\"\nexec $(which -a {kind} | tail -n 1) \"$@\""));
        let said = said + &scene.init(&base);
        scene.assert_nothing_left();
        if engine == Engine::Docker {
            assert_snapshot!(said, @r"
            $ kdn init --docker-base-image=localhost/kdn-test:small
            Error: failed to create runtime instance: docker 19.3 is too old: 20.10 or newer is needed
            update docker: https://docs.docker.com/get-docker/
            [1]
            $ kdn init --docker-base-image=localhost/kdn-test:small
            Error: failed to create runtime instance: failed to create docker container: docker is too old
            docker says: unknown flag: --no-such-option
            update docker: https://docs.docker.com/get-docker/
            [1]
            ");
        } else {
            assert_snapshot!(said, @r"
            $ kdn init --podman-base-image=localhost/kdn-test:small
            Error: failed to create runtime instance: podman 3.4 is too old: 4.0 or newer is needed
            update podman: https://podman.io/docs/installation
            [1]
            $ kdn init --podman-base-image=localhost/kdn-test:small
            Error: failed to create runtime instance: failed to create podman container: podman is too old
            podman says: unknown flag: --no-such-option
            update podman: https://podman.io/docs/installation
            [1]
            ");
        }
    }
}

/// A registry that is gone with the value.
struct Registry {
    address: String,
    process: Child,
}

impl Registry {
    /// One with nothing in it.
    fn start(folder: &Path, name: &str, more: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (settings, storage) = (folder.join(format!("{name}.yml")), folder.join(name));
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n{more}\n",
            storage.display()
        );
        fs::write(&settings, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(settings).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        while TcpStream::connect(&address).is_err() {
            sleep(Duration::from_millis(10));
        }
        Self { address, process }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn end(process: &mut Child) {
    let id = rustix::process::Pid::from_child(process);
    let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    let _ = process.wait();
}

/// What kdn says of images that can't be had.
fn images(engine: Engine) -> Option<String> {
    let mut scene = Scene::on(engine)?;
    let root = scene.world.root().to_owned();
    let users = root.join("users");
    fs::write(&users, "").unwrap();
    let login = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}", users.display());
    let (open, closed) = (Registry::start(&root, "open", ""), Registry::start(&root, "closed", &login));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let registries = [(&open.address, "open"), (&closed.address, "closed"), (&nobody, "nobody")];
    let settings = registries
        .map(|(address, _)| format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n"))
        .concat();
    let settings = scene.world.write("registries.conf", &settings);
    scene.set("CONTAINERS_REGISTRIES_CONF", settings.to_string_lossy());
    let mut said = String::new();
    for image in registries
        .map(|(address, _)| format!("{address}/none:1"))
        .iter()
        .map(String::as_str)
        .chain(["No//ne"])
    {
        said += &scene.init(&engine.flag(image));
        scene.assert_nothing_left();
    }
    if engine != Engine::Docker {
        said += &scene.init(&engine.flag("none"));
    }
    for (address, name) in registries {
        said = said.replace(address.as_str(), name);
    }
    Some(said)
}

#[test]
fn images_of_podman() {
    for engine in [Engine::Podman, Engine::Rootless] {
        let Some(said) = images(engine) else { continue };
        allow_duplicates! { assert_snapshot!(said, @r#"
        $ kdn init --podman-base-image=open/none:1
        Error: failed to create runtime instance: failed to pull the base image open/none:1: its registry does not have it
        podman says: initializing source docker://open/none:1: reading manifest 1 in open/none: manifest unknown: manifest unknown
        correct its name in image.json or --podman-base-image
        [1]
        $ kdn init --podman-base-image=closed/none:1
        Error: failed to create runtime instance: failed to pull the base image closed/none:1: its registry does not have it, or wants a login
        podman says: initializing source docker://closed/none:1: reading manifest 1 in closed/none: unauthorized: authentication required
        correct its name in image.json or --podman-base-image, or log in: podman login REGISTRY
        [1]
        $ kdn init --podman-base-image=nobody/none:1
        Error: failed to create runtime instance: failed to pull the base image nobody/none:1: its registry can't be reached
        podman says: initializing source docker://nobody/none:1: pinging container registry nobody: Get "http://nobody/v2/": dial tcp nobody: connect: connection refused
        see whether the network and the registry are up, and try again
        [1]
        $ kdn init --podman-base-image=No//ne
        Error: failed to create runtime instance: failed to pull the base image No//ne: that is no name of an image
        podman says: invalid reference format
        correct its name in image.json or --podman-base-image
        [1]
        $ kdn init --podman-base-image=none
        Error: failed to create runtime instance: failed to pull the base image none: it has no registry in its name
        podman says: short-name "none" did not resolve to an alias and no unqualified-search registries are defined in "WORLD/registries.conf"
        write its name with the registry, as in docker.io/library/debian:13
        [1]
        "#); }
    }
}

#[test]
fn images_of_docker() {
    let Some(said) = images(Engine::Docker) else { return };
    assert_snapshot!(said, @r#"
    $ kdn init --docker-base-image=open/none:1
    Error: failed to create runtime instance: failed to pull the base image open/none:1: its registry does not have it
    docker says: manifest for open/none:1 not found: manifest unknown: manifest unknown
    correct its name in image.json or --docker-base-image
    [1]
    $ kdn init --docker-base-image=closed/none:1
    Error: failed to create runtime instance: failed to pull the base image closed/none:1: its registry does not have it, or wants a login
    docker says: Head "http://closed/v2/none/manifests/1": no basic auth credentials
    correct its name in image.json or --docker-base-image, or log in: docker login REGISTRY
    [1]
    $ kdn init --docker-base-image=nobody/none:1
    Error: failed to create runtime instance: failed to pull the base image nobody/none:1: its registry can't be reached
    docker says: Get "http://nobody/v2/": dial tcp nobody: connect: connection refused
    see whether the network and the registry are up, and try again
    [1]
    $ kdn init --docker-base-image=No//ne
    Error: failed to create runtime instance: failed to pull the base image No//ne: that is no name of an image
    docker says: invalid reference format
    correct its name in image.json or --docker-base-image
    [1]
    "#);
}

#[test]
fn words_of_users_are_no_signs() {
    for engine in [Engine::Podman, Engine::Rootless, Engine::Docker] {
        let Some(scene) = Scene::on(engine) else { continue };
        let line = "echo 'Error: unknown flag: --x' >&2; echo 'dial tcp: connection refused' >&2; exit 3";
        let image = json!({"version": "latest", "packages": [], "run_commands": [line]});
        scene
            .world
            .write(&format!("storage/runtimes/{}/config/image.json", engine.kind()), &image.to_string());
        let said = scene.init(&engine.flag(SMALL));
        scene.assert_nothing_left();
        assert!(said.contains(&format!("failed to build {} image: exit status", engine.kind())), "{said}");
        assert!(said.contains("--show-logs"), "{said}");
    }
}

/// A small disk, gone with the value, and with what runs on it.
struct Disk {
    folder: PathBuf,
    daemon: Option<Child>,
}

impl Disk {
    fn mount(folder: PathBuf, size: &str, owner: u32) -> Self {
        fs::create_dir(&folder).unwrap();
        let options = format!("size={size},mode=755,uid={owner},gid={owner}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).status();
        assert!(mount.unwrap().success());
        Self { folder, daemon: None }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn fill(&self) {
        let _ =
            Command::new("dd").args(["if=/dev/zero", "bs=4k", &format!("of={}", self.path("fill"))]).output();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.daemon.iter_mut().for_each(end);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let below = |line: &&str| Path::new(line.split(' ').nth(1).unwrap()).starts_with(&self.folder);
        for line in mounts.lines().rev().filter(below) {
            let _ = Command::new("umount").args(["--lazy", line.split(' ').nth(1).unwrap()]).status();
        }
    }
}

/// An engine whose images and containers are on a small disk, with the small image.
fn on_small_disk(engine: Engine) -> Option<(Scene, Disk)> {
    let mut scene = Scene::on(engine)?;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can mount a disk");
        return None;
    }
    let mut disk = Disk::mount(scene.world.root().join("disk"), "48m", scene.world.user());
    let image = scene.world.root().join("storage/image.tar");
    engine.call(&["save", "--output", image.to_str().unwrap(), SMALL]);
    match engine {
        Engine::Podman | Engine::Rootless => {
            let text = format!(
                "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
                disk.path("root"),
                disk.path("run")
            );
            let settings = scene.world.write("storage.conf", &text);
            scene.set("CONTAINERS_STORAGE_CONF", settings.to_string_lossy());
        }
        Engine::Docker => {
            let socket = format!("unix://{}", disk.path("socket"));
            let mut daemon = Command::new("unshare");
            daemon.args(["--net", "dockerd", "--iptables=false", "--ip6tables=false", "--host", &socket]);
            for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
                daemon.args([option, &disk.path(name)]);
            }
            disk.daemon = Some(daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            scene.set("DOCKER_HOST", socket);
            while !scene.command("docker").arg("version").output().unwrap().status.success() {
                sleep(Duration::from_millis(20));
            }
        }
    }
    let loaded = scene.command(engine.kind()).args(["load", "--input"]).arg(&image).output().unwrap();
    assert!(loaded.status.success(), "{}", text(&loaded.stderr));
    fs::remove_file(image).unwrap();
    Some((scene, disk))
}

/// What kdn says where the engine's disk has no room: for a build, for a start, for another workspace.
fn disk_full(engine: Engine) -> Option<String> {
    let (scene, disk) = on_small_disk(engine)?;
    let base = engine.flag(SMALL);
    let config = format!("storage/runtimes/{}/config/image.json", engine.kind());
    let image = |commands: &[&str]| {
        json!({"version": "latest", "packages": [], "run_commands": commands}).to_string()
    };
    scene.world.write(&config, &image(&["dd if=/dev/zero of=$HOME/big bs=1M count=64"]));
    // An engine may be short of the room that it needs to give back what the build has taken.
    let reserve = disk.path("reserve");
    fs::write(&reserve, vec![1; 8 << 20]).unwrap();
    let build = scene.init(&base);
    assert_eq!(scene.count(), 0);
    fs::remove_file(reserve).unwrap();
    scene.world.write(&config, &image(&[]));
    let made = scene.init(&base);
    assert!(made.ends_with("[0]\n"), "{made}");
    disk.fill();
    let start = scene.says("start app");
    let other = scene.init(&format!("--name other {base}"));
    assert_eq!(scene.count(), 1);
    fs::remove_file(disk.path("fill")).unwrap();
    // All is as before.
    for command in ["start app", "remove --force app"] {
        let said = scene.says(command);
        assert!(said.ends_with("[0]\n"), "{said}");
    }
    assert_eq!(scene.count(), 0);
    let keep =
        |said: String| said.lines().filter(|line| !line.contains(" says: ")).collect::<Vec<_>>().join("\n");
    Some([build, start, other].map(keep).join("\n"))
}

#[test]
fn disk_of_podman_full() {
    let Some(said) = disk_full(Engine::Podman) else { return };
    assert_snapshot!(said, @r"
    $ kdn init --podman-base-image=localhost/kdn-test:small
    Error: failed to create runtime instance: failed to build podman image: the disk of podman is full
    make room there; `podman system prune` removes the containers and images that nobody uses
    [1]
    $ kdn start app
    Error: failed to start runtime instance: failed to start the container: the disk of podman is full
    make room there; `podman system prune` removes the containers and images that nobody uses
    [1]
    $ kdn init --name other --podman-base-image=localhost/kdn-test:small
    Error: failed to create runtime instance: failed to tag the image: the disk of podman is full
    make room there; `podman system prune` removes the containers and images that nobody uses
    [1]
    ");
}

#[test]
fn disk_of_docker_full() {
    let Some(said) = disk_full(Engine::Docker) else { return };
    assert_snapshot!(said, @r"
    $ kdn init --docker-base-image=localhost/kdn-test:small
    Error: failed to create runtime instance: failed to build docker image: the disk of docker is full
    make room there; `docker system prune` removes the containers and images that nobody uses
    [1]
    $ kdn start app
    Error: failed to start runtime instance: failed to start the container: the disk of docker is full
    make room there; `docker system prune` removes the containers and images that nobody uses
    [1]
    $ kdn init --name other --docker-base-image=localhost/kdn-test:small
    Error: failed to create runtime instance: failed to tag the image: the disk of docker is full
    make room there; `docker system prune` removes the containers and images that nobody uses
    [1]
    ");
}

#[test]
fn disk_of_kdn_full() {
    let Some(scene) = Scene::on(Engine::Podman) else { return };
    let storage = scene.world.root().join("storage");
    fs::remove_dir_all(&storage).unwrap();
    let disk = Disk::mount(storage, "64k", 0);
    disk.fill();
    assert_snapshot!(scene.init(&Engine::Podman.flag(SMALL)), @r#"
    $ kdn init --podman-base-image=localhost/kdn-test:small
    Error: failed to write WORLD/storage/pending/ID: no storage space
    Make room on the disk, or choose another folder with --storage
    [1]
    "#);
    fs::remove_file(disk.path("fill")).unwrap();
    scene.assert_nothing_left();
}
