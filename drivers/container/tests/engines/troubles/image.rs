//! Images that can't be had or made.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use insta::{allow_duplicates, assert_snapshot};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::scene::{Scene, end};
use crate::support::{Engine, SMALL, has_program, wait_until};

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
        let registry = Self { address, process: command.spawn().unwrap() };
        wait_until("the registry answers", || TcpStream::connect(&registry.address).is_ok());
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// What kdn says of images that can't be had.
fn images(engine: Engine) -> Option<String> {
    let mut scene = Scene::on(engine)?;
    if !has_program("docker-registry") {
        return None;
    }
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

/// A registry with one image, the layer of which it never sends to its end.
struct SlowRegistry {
    address: String,
    /// Set when it has begun to send the layer.
    sends: Arc<AtomicBool>,
}

impl SlowRegistry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let sends = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&sends);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let flag = Arc::clone(&flag);
                std::thread::spawn(move || answer(stream.unwrap(), &flag));
            }
        });
        Self { address, sends }
    }
}

fn answer(mut stream: TcpStream, sends: &AtomicBool) -> Option<()> {
    let config =
        r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:00"]}}"#;
    let digest = |bytes: &str| format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)));
    let (layer, size) = (digest("layer"), 100 << 20);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest(config)},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": size, "digest": layer}],
    });
    let lines: Vec<String> =
        BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines.first()?.split(' ').nth(1)?;
    let mut send = |kind: &str, length: usize, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok()
    };
    match path {
        path if path.ends_with(&layer) => {
            send("application/octet-stream", size, &vec![0; 4 << 20])?;
            sends.store(true, Ordering::Relaxed);
            // Until the other side gives up.
            stream.read(&mut [0]).ok().map(drop)
        }
        path if path.contains("/blobs/") => send("application/octet-stream", config.len(), config.as_bytes()),
        path if path.contains("/manifests/") => {
            let manifest = manifest.to_string();
            let body = if lines[0].starts_with("HEAD") { "" } else { &manifest };
            send("application/vnd.docker.distribution.manifest.v2+json", manifest.len(), body.as_bytes())
        }
        _ => send("application/json", 2, b"{}"),
    }
}

#[test]
fn an_interrupted_pull_leaves_nothing() {
    for engine in [Engine::Podman, Engine::Rootless, Engine::Docker] {
        let Some(mut scene) = Scene::on(engine) else { continue };
        let registry = SlowRegistry::start();
        let settings = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.address);
        let settings = scene.world.write("registries.conf", &settings);
        scene.set("CONTAINERS_REGISTRIES_CONF", settings.to_string_lossy());
        let base = engine.flag(&format!("{}/slow:1", registry.address));
        let mut kdn =
            scene.kdn(&["init", "--runtime", engine.kind(), "--agent", "shell", &base]).spawn().unwrap();
        wait_until("the layer is on its way", || registry.sends.load(Ordering::Relaxed));
        kill_process(Pid::from_child(&kdn), Signal::INT).unwrap();
        assert_eq!(kdn.wait().unwrap().code(), Some(130));
        scene.assert_nothing_left();
    }
}
