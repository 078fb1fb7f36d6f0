//! Disks without room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use insta::{allow_duplicates, assert_snapshot};
use serde_json::json;

use crate::scene::{Scene, end};
use crate::support::{Engine, SMALL, text, wait_until};

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
        Engine::Rootless => return None,
        Engine::Podman => {
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
            wait_until("the daemon answers", || {
                scene.command("docker").arg("version").output().unwrap().status.success()
            });
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
    assert_eq!(scene.count(), 0, "{engine:?}: {build}");
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
fn disk_of_engine_full() {
    // A rootless podman has a view of mounts that is older than the disk.
    for engine in [Engine::Podman, Engine::Docker] {
        let Some(said) = disk_full(engine) else { continue };
        allow_duplicates! { assert_snapshot!(said.replace(engine.kind(), "ENGINE"), @r"
        $ kdn init --ENGINE-base-image=localhost/kdn-test:small
        Error: failed to create runtime instance: failed to build ENGINE image: the disk of ENGINE is full
        make room there; `ENGINE system prune` removes the containers and images that nobody uses
        [1]
        $ kdn start app
        Error: failed to start runtime instance: failed to start the container: the disk of ENGINE is full
        make room there; `ENGINE system prune` removes the containers and images that nobody uses
        [1]
        $ kdn init --name other --ENGINE-base-image=localhost/kdn-test:small
        Error: failed to create runtime instance: failed to tag the image: the disk of ENGINE is full
        make room there; `ENGINE system prune` removes the containers and images that nobody uses
        [1]
        "); }
    }
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
