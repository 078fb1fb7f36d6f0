//! Engines, and small worlds for kdn on them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Whom the project folder belongs to where root runs kdn.
const OWNER: u32 = 4321;
/// The small base image, in which next to nothing is.
pub(crate) const SMALL: &str = "localhost/kdn-test:small";
/// The base image with sudo.
pub(crate) const DEBIAN: &str = "localhost/kdn-test:debian";
/// A secret of podman's store, whose value is `stored`.
pub(crate) const SECRET: &str = "kdn-test-secret";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Engine {
    Podman,
    Rootless,
    Docker,
}

impl Engine {
    /// The type of its driver, and the name of its program.
    pub(crate) fn kind(self) -> &'static str {
        if self == Self::Docker { "docker" } else { "podman" }
    }

    /// What `KDN_REQUIRE` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Rootless => "podman-rootless",
            Self::Docker => "docker",
        }
    }

    pub(crate) fn flag(self, image: &str) -> String {
        format!("--{}-base-image={image}", self.kind())
    }

    /// A program, run as the engine's user with nothing but what the engine needs in its environment.
    pub(crate) fn command(self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        let mut passed = vec!["PATH", "CONTAINERS_CONF"];
        if let (Self::Rootless, Some(user)) = (self, rootless()) {
            let program = command.get_program().to_owned();
            command = Command::new("setpriv");
            command.args(["--reuid", &user.name, "--regid", &user.name, "--init-groups"]).arg(program);
            command
                .env_clear()
                .env("HOME", &user.home)
                .env("XDG_RUNTIME_DIR", format!("/run/user/{}", user.id));
        } else {
            command.env_clear();
            passed.extend(["HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "CONTAINERS_STORAGE_CONF"]);
        }
        for name in passed {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What the engine's program prints.
    pub(crate) fn call(self, args: &[&str]) -> String {
        let output = self.command(self.kind()).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// Whether it is there with the images of the tests; if not, the test is to be skipped, unless `KDN_REQUIRE` names it.
    pub(crate) fn is_there(self) -> bool {
        let expected = match self {
            Self::Rootless => rootless().is_some() || !rustix::process::geteuid().is_root(),
            _ => self == Self::Docker || rustix::process::geteuid().is_root(),
        };
        let inspected = || self.command(self.kind()).args(["image", "inspect", SMALL]).output();
        if expected && inspected().is_ok_and(|output| output.status.success()) {
            return true;
        }
        skip(self.name(), "not found, or not with the images that .ci/engines makes");
        false
    }
}

/// Says that a test is skipped; fails it when `KDN_REQUIRE` names what is missing.
fn skip(name: &str, why: &str) {
    let required = env::var("KDN_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|word| word.trim() == name), "{name} is required");
    eprintln!("skipped: {name}: {why}");
}

/// Whether a program is there; if not, the test is to be skipped.
pub(crate) fn has_program(name: &str) -> bool {
    let is_there =
        env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file());
    if !is_there {
        skip(name, "not found in PATH");
    }
    is_there
}

/// The user of rootless podman, where root runs the tests.
struct User {
    name: String,
    id: u32,
    home: PathBuf,
}

fn rootless() -> Option<&'static User> {
    static USER: OnceLock<Option<User>> = OnceLock::new();
    let find = || {
        let name = env::var("KDN_TEST_ROOTLESS").ok()?;
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        let id = fields.next()?.parse().ok()?;
        Some(User { name, id, home: fields.nth(2)?.into() })
    };
    USER.get_or_init(find).as_ref()
}

/// A folder of executables that every user can reach: the build folder may lie in a home. It stays for the next run.
pub(crate) fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let copy = || {
        let built = Path::new(env!("CARGO_BIN_EXE_kdn-runtime-podman")).parent().unwrap();
        let mut hasher = DefaultHasher::new();
        built.hash(&mut hasher);
        let folder = env::temp_dir().join(format!("kdn-test-bin-{:016x}", hasher.finish()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["kdn", "kdn-conformance", "kdn-runtime-podman", "kdn-runtime-docker"] {
            let from = built.join(name);
            assert!(from.exists(), "{} is missing: run `cargo build --workspace` first", from.display());
            // In a process of its own: a descriptor open for writing that a fork inherits would keep it from being run.
            let mut cp = Command::new("cp");
            cp.args(["--update", "--preserve=timestamps", "--remove-destination"]).arg(from).arg(&folder);
            assert!(cp.status().unwrap().success());
        }
        folder
    };
    BIN.get_or_init(copy)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a process sleeps for this number of seconds.
pub(crate) fn sleeps(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line == format!("sleep\0{mark}\0").into_bytes())
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// A run of kdn.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A storage of kdn and a project folder, on one engine. What was made there goes with it.
pub(crate) struct World {
    pub(crate) engine: Engine,
    folder: tempfile::TempDir,
}

impl World {
    /// `None` where the engine is missing.
    pub(crate) fn on(engine: Engine) -> Option<Self> {
        if !engine.is_there() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("kdn-").tempdir().unwrap();
        let world = Self { engine, folder };
        fs::create_dir_all(world.project()).unwrap();
        fs::create_dir_all(world.config()).unwrap();
        // No packages: nothing is fetched from anywhere.
        fs::write(
            world.config().join("image.json"),
            json!({"version": "latest", "packages": []}).to_string(),
        )
        .unwrap();
        fs::write(world.project().join("readme"), "hello\n").unwrap();
        world.give(world.root(), world.user());
        world.give(&world.project(), world.owner());
        Some(world)
    }

    fn give(&self, folder: &Path, owner: u32) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let _ = Command::new("chown").args(["-R", &format!("{owner}:{owner}")]).arg(folder).status();
        chown(self.root(), Some(self.user()), None).unwrap();
    }

    pub(crate) fn user(&self) -> u32 {
        match (self.engine, rootless()) {
            (Engine::Rootless, Some(user)) => user.id,
            _ => rustix::process::getuid().as_raw(),
        }
    }

    /// Whom files in the project belong to.
    pub(crate) fn owner(&self) -> u32 {
        if self.user() == 0 { OWNER } else { self.user() }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.root().join("app")
    }

    pub(crate) fn storage(&self) -> PathBuf {
        self.root().join("storage/runtimes").join(self.engine.kind())
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.storage().join("config")
    }

    /// Writes a file into the world, which belongs to the project's owner.
    pub(crate) fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.give(path.parent().unwrap(), self.owner());
        path
    }

    /// Gives the project a configuration.
    pub(crate) fn configure(&self, config: &Value) {
        self.write("app/.kaiden/workspace.json", &config.to_string());
    }

    /// Writes `image.json`, with no packages unless it has some.
    pub(crate) fn configure_image(&self, fields: &Value) {
        let mut image = json!({"version": "latest", "packages": []});
        image.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.write(&format!("storage/runtimes/{}/config/image.json", self.engine.kind()), &image.to_string());
    }

    /// A number of seconds that no other world sleeps for.
    pub(crate) fn mark(&self) -> String {
        format!("4{:09}", self.root().metadata().unwrap().ino() % 1_000_000_000)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.engine.command(bin().join("kdn"));
        command.env("KDN_STORAGE", self.root().join("storage")).env("KDN_DRIVER_PATH", bin());
        command.args(args).current_dir(self.project());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        Run { code: status.code(), stdout: text(&stdout), stderr: text(&stderr) }
    }

    /// The stdout of a run that has to succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "kdn {args:?}: {run:?}");
        run.stdout.trim_end().to_owned()
    }

    /// The stderr of a run that has to fail.
    pub(crate) fn fail(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(1), "kdn {args:?}: {run:?}");
        run.stderr
    }

    /// Makes a workspace `app` on the small image.
    pub(crate) fn init(&self, more: &[&str]) -> String {
        let base = self.engine.flag(SMALL);
        let args = ["init", "--runtime", self.engine.kind(), "--agent", "shell", &base];
        self.ok(&[&args, more].concat())
    }

    /// What a shell in a workspace prints.
    pub(crate) fn sh(&self, name: &str, script: &str) -> String {
        self.ok(&["terminal", name, "--", "sh", "-c", script])
    }

    /// The workspaces, once the engine has told of them: a slow one may let kdn fall back on what was known.
    pub(crate) fn list(&self) -> Vec<Value> {
        let mut items = Vec::new();
        wait_until("the engine tells", || {
            let document: Value = serde_json::from_str(&self.ok(&["list", "--output", "json"])).unwrap();
            items.clone_from(document["items"].as_array().unwrap());
            items.iter().all(|item| item["stale"] != true)
        });
        items
    }

    /// The state of each workspace, by name.
    pub(crate) fn states(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut states: Vec<_> =
            self.list().iter().map(|item| (text(&item["name"]), text(&item["state"]))).collect();
        states.sort();
        states
    }

    /// The containers of this world, by their ids.
    pub(crate) fn containers(&self) -> Vec<String> {
        let filter = format!("label=kdn.scope={}", self.storage().display());
        let ids = self.engine.call(&["ps", "--all", "--no-trunc", "--quiet", "--filter", &filter]);
        ids.lines().map(str::to_owned).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for container in self.containers() {
            self.engine.call(&["rm", "--force", "--volumes", &container]);
        }
        let _ = self.engine.command("rm").arg("-rf").arg(self.root().join("storage")).status();
    }
}
