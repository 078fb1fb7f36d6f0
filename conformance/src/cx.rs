//! What a check has to work with: folders of its own, the driver under test, and a way into its instances.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, Once, atomic::AtomicBool},
    time::Duration,
};

use kdn_protocol::Manifest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    check::Check,
    client::{Driver, Launch, Transcript},
    fixture::Fixture,
    plan::{self, Output, Running, Session},
    processes, programs,
    schema::Schemas,
    stop::Stop,
    wait,
    watch::{Findings, Watch},
};

/// A variable of the user that is no business of a workspace.
pub(crate) const FOREIGN: &str = "KDN_CHECK_FOREIGN";
/// A variable of every workspace; its value marks the processes of a check.
pub(crate) const MARK: &str = "KDN_CHECK";

/// What all checks of a run share.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) program: PathBuf,
    pub(crate) fixture: Fixture,
    /// As `initialize` told it; `None` if it could not be had.
    pub(crate) manifest: Option<Manifest>,
    /// How long to wait for the answer to a request that is no change.
    pub(crate) patience: Duration,
    /// How long to wait for the answer to a change.
    pub(crate) change_patience: Duration,
    pub(crate) seed: u64,
    /// The variables of the suite's own environment that drivers get.
    pub(crate) env: BTreeMap<String, String>,
    /// An executable that speaks TCP and HTTP when it is run with `probe` as its first argument.
    pub(crate) probe: PathBuf,
    pub(crate) schemas: Schemas,
    pub(crate) findings: Findings,
    /// Done when the watched checks have had something to look at.
    pub(crate) toured: Once,
    pub(crate) interrupted: Arc<AtomicBool>,
}

/// One check at work.
#[derive(Debug)]
pub(crate) struct Cx {
    pub(crate) suite: Arc<Suite>,
    pub(crate) transcript: Transcript,
    watch: Watch,
    dir: TempDir,
    /// The storage folders in which there may be instances.
    storages: Vec<PathBuf>,
}

impl Cx {
    pub(crate) fn new(suite: &Arc<Suite>, check: &'static Check) -> Result<Self, Stop> {
        let dir = tempfile::Builder::new().prefix("kdn-check-").tempdir()?;
        for folder in ["home", "tmp", "sources"] {
            fs::create_dir(dir.path().join(folder))?;
        }
        let watch = Watch::new(check.id, suite.schemas.clone(), suite.findings.clone());
        let storages = vec![dir.path().join("storage")];
        Ok(Self { suite: Arc::clone(suite), transcript: Transcript::new(), watch, dir, storages })
    }

    // Places

    /// The folder of this check alone.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Text that is in the environment of all processes of this check, and nowhere else.
    pub(crate) fn mark(&self) -> &str {
        self.dir().file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The project folder, which is there and empty.
    pub(crate) fn sources(&self) -> PathBuf {
        self.dir().join("sources")
    }

    /// The storage folder of the driver, which is not there.
    pub(crate) fn storage(&self) -> PathBuf {
        self.storages[0].clone()
    }

    /// Another storage folder, which is cleaned up in the end, too.
    pub(crate) fn other_storage(&mut self) -> PathBuf {
        let path = self.dir().join(format!("storage-{}", self.storages.len()));
        self.storages.push(path.clone());
        path
    }

    /// Writes a file below the folder of this check; returns its path.
    #[expect(clippy::disallowed_methods, reason = "nobody minds half a file in a temporary folder")]
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, Stop> {
        let path = self.dir().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        programs::write(|| fs::write(&path, content))?;
        Ok(path)
    }

    // The driver

    /// A limit of the protocol, or of the suite, for the patience of this run.
    pub(crate) fn limit(&self, limit: Duration) -> Duration {
        wait::limit(limit, self.suite.patience)
    }

    /// How the driver is started.
    pub(crate) fn launch(&self) -> Launch {
        let mut env = self.suite.env.clone();
        let folder = |name: &str| self.dir().join(name).to_string_lossy().into_owned();
        env.entry("HOME".into()).or_insert_with(|| folder("home"));
        env.insert("TMPDIR".into(), folder("tmp"));
        env.insert(FOREIGN.into(), self.mark().into());
        Launch {
            program: self.suite.program.clone(),
            env,
            patience: self.suite.patience,
            long_patience: self.suite.change_patience,
            transcript: self.transcript.clone(),
            watch: self.watch.clone(),
            interrupted: Arc::clone(&self.suite.interrupted),
        }
    }

    /// A driver without a session.
    pub(crate) fn start(&self) -> Result<Driver, Stop> {
        Driver::start(&self.launch())
    }

    /// A driver with a session in the storage folder of this check.
    pub(crate) fn open(&self) -> Result<Driver, Stop> {
        self.open_in(&self.storage())
    }

    /// A driver with a session in this storage folder.
    pub(crate) fn open_in(&self, storage: &Path) -> Result<Driver, Stop> {
        let mut driver = self.start()?;
        driver.ok("initialize", &initialize(storage))?;
        Ok(driver)
    }

    /// The manifest as `initialize` told it.
    pub(crate) fn manifest(&self) -> Result<&Manifest, Stop> {
        self.suite.manifest.as_ref().ok_or_else(|| Stop::Skipped("the manifest is not known".into()))
    }

    pub(crate) fn declares(&self, capability: &str) -> bool {
        let capabilities = self.suite.manifest.as_ref().map(|manifest| &manifest.capabilities);
        capabilities
            .and_then(|all| serde_json::to_value(all).ok())
            .is_some_and(|all| all.get(capability).is_some())
    }

    // Instances

    /// The params of a `create` that every driver can carry out: a workspace that nobody else has.
    pub(crate) fn workspace(&self) -> Value {
        let (id, name) = (random_id(), format!("{}-{:08x}", self.mark().to_lowercase(), random()));
        let agent = self.suite.fixture.agent.clone();
        json!({
            "workspaceId": id,
            "name": name,
            "sourcePath": self.sources(),
            "agent": agent.unwrap_or_else(|| json!({"name": "shell", "command": ["/bin/sh"]})),
            "environment": [{"name": MARK, "value": self.mark()}],
            "options": self.suite.fixture.options,
        })
    }

    /// The same with options that make changes slow, so that they can be interrupted.
    pub(crate) fn slow_workspace(&self) -> Value {
        let mut workspace = self.workspace();
        if let Some(options) = &self.suite.fixture.slow_options {
            workspace["options"] = json!(options);
        }
        workspace
    }

    /// Creates and starts an instance; returns its id.
    #[expect(clippy::unused_self, reason = "it reads like its neighbours")]
    pub(crate) fn running(&self, driver: &mut Driver, workspace: &Value) -> Result<String, Stop> {
        let id = id_of(&driver.ok("create", workspace)?);
        driver.ok("start", &start(&id))?;
        Ok(id)
    }

    /// The plan of a command in a running instance, from a driver that has exited since, as for a host.
    pub(crate) fn plan(&self, id: &str, command: &[&str], tty: bool) -> Result<Value, Stop> {
        let mut driver = self.open()?;
        let plan = driver.ok("terminal", &json!({"id": id, "command": command, "tty": tty}))?;
        driver.shutdown()?;
        Ok(plan)
    }

    /// Runs a command in a running instance, without a terminal and with an empty stdin.
    pub(crate) fn run(&self, id: &str, command: &[&str]) -> Result<Output, Stop> {
        self.run_with_input(id, command, b"")
    }

    pub(crate) fn run_with_input(&self, id: &str, command: &[&str], input: &[u8]) -> Result<Output, Stop> {
        let plan = self.plan(id, command, false)?;
        plan::run(&self.launch(), &plan, input)
    }

    /// Runs a shell script in a running instance; returns what it printed. It has to succeed.
    pub(crate) fn sh(&self, id: &str, script: &str) -> Result<String, Stop> {
        let output = self.run(id, &["/bin/sh", "-c", script])?;
        if !output.status.success() {
            return Err(Stop::Failed(format!("the script {script:?} in the instance ended with {output}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command in a running instance at a terminal of its own.
    pub(crate) fn terminal(&self, id: &str, command: &[&str]) -> Result<Session, Stop> {
        let plan = self.plan(id, command, true)?;
        Session::start(&self.launch(), &plan)
    }

    /// Puts the probe into the sources, as `kdn-probe`.
    pub(crate) fn place_probe(&self) -> Result<(), Stop> {
        let to = self.sources().join("kdn-probe");
        // A link would do where it is possible, but the probe may lie in a folder that the instance can't reach.
        programs::write(|| fs::copy(&self.suite.probe, &to))?;
        #[cfg(unix)]
        fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(())
    }

    /// Starts a probe in a running instance, in the background of the check.
    pub(crate) fn probe(&self, id: &str, args: &[&str]) -> Result<Running, Stop> {
        let command: Vec<&str> = ["./kdn-probe", "probe"].into_iter().chain(args.iter().copied()).collect();
        let plan = self.plan(id, &command, false)?;
        Running::start(&self.launch(), &plan, b"")
    }

    // The end

    /// Stops and removes all instances, and kills what is left; what is left is the driver's fault.
    pub(crate) fn clean_up(&mut self) {
        self.transcript.note("the check is over; cleaning up");
        if self.watch.has_created() {
            for storage in self.storages.clone() {
                if let Err(stop) = self.remove_all(&storage) {
                    self.transcript.note(&format!("cleaning up failed: {stop}"));
                }
            }
        }
        let left = processes::wait_until_gone(self.mark(), self.suite.patience);
        if !left.is_empty() {
            self.watch.orphans(&left);
            for process in left {
                process.kill();
            }
        }
    }

    fn remove_all(&self, storage: &Path) -> Result<(), Stop> {
        let mut driver = self.open_in(storage)?;
        let instances = driver.ok("list", &json!({}))?["instances"].clone();
        for instance in instances.as_array().into_iter().flatten() {
            let _ = driver.call("stop", &json!({"id": instance["id"], "graceSeconds": 0}))?;
            let _ = driver.call("remove", &json!({"id": instance["id"]}))?;
        }
        driver.shutdown()
    }
}

/// The params of `initialize` for a storage folder.
pub(crate) fn initialize(storage: &Path) -> Value {
    json!({
        "protocolVersions": [1],
        "host": {"name": "kdn-conformance", "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id()},
        "storageDir": storage,
    })
}

/// The params of a `start` that allows all of the network.
pub(crate) fn start(id: &str) -> Value {
    json!({"id": id, "network": {"mode": "allow"}})
}

/// The params of a method that takes only the id of an instance.
pub(crate) fn of(id: &str) -> Value {
    json!({"id": id})
}

/// The id of an instance.
pub(crate) fn id_of(instance: &Value) -> String {
    instance["id"].as_str().unwrap_or_default().to_owned()
}

/// Some number.
pub(crate) fn random() -> u32 {
    u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default()
}

/// An id for a workspace.
pub(crate) fn random_id() -> String {
    let words: Vec<String> = (0..8).map(|_| format!("{:08x}", random())).collect();
    words.concat()
}
