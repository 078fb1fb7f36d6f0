//! An engine that is missing, too old, or does not answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use insta::{allow_duplicates, assert_snapshot};

use crate::scene::Scene;
use crate::support::{Engine, SMALL};

/// Commands on an existing workspace `app`.
const ALL: [&str; 5] = ["list", "start app", "stop app", "terminal app", "remove app"];

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
        Warning: the last known states are shown: failed to list the instances of runtime "podman": podman can't be reached: its machine or its service does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start what CONTAINER_HOST or `podman system connection list` names: systemctl --user start podman.socket, or podman machine start
        [0]
        $ kdn start app
        Error: failed to get runtime info: podman can't be reached: its machine or its service does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start what CONTAINER_HOST or `podman system connection list` names: systemctl --user start podman.socket, or podman machine start
        [1]
        $ kdn stop app
        Error: failed to stop runtime instance: podman can't be reached: its machine or its service does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start what CONTAINER_HOST or `podman system connection list` names: systemctl --user start podman.socket, or podman machine start
        [1]
        $ kdn terminal app
        Error: failed to open a terminal: podman can't be reached: its machine or its service does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start what CONTAINER_HOST or `podman system connection list` names: systemctl --user start podman.socket, or podman machine start
        [125]
        $ kdn remove app
        Error: failed to get runtime info: podman can't be reached: its machine or its service does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start what CONTAINER_HOST or `podman system connection list` names: systemctl --user start podman.socket, or podman machine start
        Use --force to forget the workspace, whatever its runtime still holds
        [1]
        $ kdn init --name other
        Error: failed to create runtime instance: podman can't be reached: its machine or its service does not run
        podman says: unable to connect to Podman socket: dial unix /no/such/socket: connect: no such file or directory
        start what CONTAINER_HOST or `podman system connection list` names: systemctl --user start podman.socket, or podman machine start
        [1]
        $ kdn remove --force app
        Warning: failed to get runtime info: podman can't be reached: its machine or its service does not run
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
    if !Engine::Docker.is_there() {
        return;
    }
    scene.set("DOCKER_HOST", &address);
    said += &scene.says("init --runtime docker --agent shell");
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

#[test]
fn init_missing() {
    for engine in [Engine::Podman, Engine::Rootless] {
        let Some(mut scene) = Scene::on(engine) else { continue };
        let settings = std::env::var("CONTAINERS_CONF")
            .map_or_else(|_| String::new(), |path| fs::read_to_string(path).unwrap());
        let settings = settings.replace("[containers]\n", "");
        let settings = format!("[containers]\ninit_path = \"/no/such/catatonit\"\n{settings}");
        let settings = scene.world.write("containers.conf", &settings);
        scene.set("CONTAINERS_CONF", settings.to_string_lossy());
        let said = scene.init(&engine.flag(SMALL));
        scene.assert_nothing_left();
        allow_duplicates! { assert_snapshot!(said, @r"
        $ kdn init --podman-base-image=localhost/kdn-test:small
        Error: failed to create runtime instance: podman needs the program catatonit
        podman says: container-init binary not found on the host: stat /no/such/catatonit: no such file or directory
        install the package catatonit
        [1]
        "); }
    }
}
