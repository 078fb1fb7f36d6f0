//! A starter driver for kdn: a workspace is processes in its source folder, under the user's own account.
//!
//! Nothing is isolated, and the manifest says so. Ids such as WORK-06 are sentences of SPEC.md, the kdn runtime
//! protocol. The crate does the wire, checks params, and refuses what the manifest does not offer. From top to bottom:
//! the driver with its methods, instances on disk, their processes. To make it a driver of your own, change `manifest`,
//! and then begin with `create`.

use std::{
    collections::{BTreeMap, HashSet},
    env,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind::NotFound, Read, Write},
    os::unix::{fs::OpenOptionsExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use kdn_protocol::{
    CommandFailure, Error, ErrorKind, FileEntry, InitializeParams, Instance, ListParams, ListResult,
    Manifest, Plan, RemoveParams, StartParams, State, StopParams, Stream, Supported, TerminalParams,
    Workspace,
    driver::{Context, Driver, make_private, serve},
};
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [word, storage, id, command @ ..] if word == "terminal" && !command.is_empty() => {
            attach(&Starter(storage.into()), id, command)
        }
        _ => serve::<Starter>(),
    }
}

/// The driver, which knows no more than its storage folder.
struct Starter(PathBuf);

impl Driver for Starter {
    fn manifest() -> Manifest {
        // The type is the suffix of the name under which it was started (MAN-01).
        let program = env::args().next().unwrap_or_default();
        let name =
            Path::new(&program).file_name().and_then(|name| name.to_str()?.strip_prefix("kdn-runtime-"));
        let name = name.unwrap_or("starter");
        let mut manifest = Manifest::new(name, name, env!("CARGO_PKG_VERSION"));
        manifest.description =
            "Runs agents as ordinary processes of the user in the source folder, without isolation".into();
        manifest.isolated = false;
        manifest.workspace_sources_path = None;
        manifest.workspace_home = None;
        manifest.capabilities.terminal = Supported::YES;
        manifest.capabilities.cancellation = Supported::YES;
        manifest
    }

    async fn open(params: InitializeParams) -> Result<Self, Error> {
        Ok(Self(params.storage_dir))
    }

    async fn create(&self, workspace: Workspace, context: &Context) -> Result<Instance, Error> {
        let (mut saved, _own) = match self.reserve(&workspace).await? {
            Reserved::Known(instance) => return Ok(instance),
            Reserved::New(saved, own) => (saved, own),
        };
        let filled = self.fill(&saved, &workspace, context).await;
        match filled.and_then(|()| context.check()) {
            Ok(()) => {
                saved.unfinished = false;
                self.save(saved)
            }
            Err(error) => {
                self.discard(&saved.instance.id).await?; // CREATE-02
                Err(error)
            }
        }
    }

    async fn start(&self, params: StartParams, context: &Context) -> Result<Instance, Error> {
        let (mut saved, _own) = self.change(&params.id)?;
        if saved.instance.state != State::Running {
            context.steps().start("Starting instance", "Instance started");
            context.check()?;
            saved.instance.state = State::Running; // its processes come with terminals
        }
        self.save(saved)
    }

    async fn stop(&self, params: StopParams, context: &Context) -> Result<Instance, Error> {
        let (mut saved, _own) = self.change(&params.id)?;
        if saved.instance.state == State::Running {
            context.steps().start("Ending processes", "Processes ended");
            tokio::select! {
                () = self.end(&params.id, Duration::from_secs(params.grace_seconds.into())) => {}
                () = context.cancellation().cancelled() => return Err(Error::cancelled()),
            }
            saved.instance.state = State::Stopped;
            self.save(saved.clone())?;
            self.end(&params.id, Duration::ZERO).await; // what a terminal began before it could see that
        }
        Ok(saved.instance)
    }

    async fn remove(&self, params: RemoveParams, context: &Context) -> Result<(), Error> {
        let Some(_) = self.read(&params.id) else { return Ok(()) }; // IDEM-05
        let Some(_own) = try_lock(&self.folder(&params.id)) else { return Err(busy(&params.id)) };
        if self.read(&params.id).is_some_and(|saved| saved.instance.state == State::Running) {
            return Err(Error::new(ErrorKind::InvalidState, "the instance is running, stop it first"));
        }
        context.steps().start("Removing instance", "Instance removed");
        self.discard(&params.id).await // to its end, even if it is cancelled (section 12)
    }

    async fn info(&self, id: String) -> Result<Instance, Error> {
        self.look(&id)?.ok_or_else(|| Error::instance_not_found(&id))
    }

    async fn list(&self, params: ListParams) -> Result<ListResult, Error> {
        if params.cursor.is_some() {
            let error = Error::new(ErrorKind::InvalidParams, "the cursor is not of this driver");
            return Err(error.field("cursor")); // LIST-08: all is on one page
        }
        let mut instances = Vec::new();
        for id in self.ids() {
            instances.extend(self.look(&id)?);
        }
        if let Some(wanted) = params.workspace_ids {
            instances.retain(|instance| wanted.contains(&instance.workspace_id));
        }
        Ok(ListResult::new(instances))
    }

    /// The plan is this executable again, see [`attach`].
    async fn terminal(&self, params: TerminalParams) -> Result<Plan, Error> {
        let instance = self.info(params.id).await?;
        if instance.state != State::Running {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!("instance {:?} is not running", instance.id),
            ));
        }
        let arguments = ["terminal".to_owned(), self.0.display().to_string(), instance.id.clone()];
        let mut plan = Plan::own(arguments.into_iter().chain(params.command));
        plan.cwd = instance.info.get("source").cloned();
        plan.env = [("KDN_INSTANCE".to_owned(), Some(self.mark(&instance.id)))].into();
        Ok(plan)
    }
}

/// What `create` begins with.
enum Reserved {
    Known(Instance),
    /// With the lock of its folder.
    New(Saved, File),
}

/// What a file holds of an instance.
#[derive(Clone, Serialize, Deserialize)]
struct Saved {
    instance: Instance,
    environment: BTreeMap<String, String>,
    unfinished: bool,
}

/// Instances on disk: a folder each, with the file `instance` and the folder `home`. Its name is the id, which begins
/// with that of the workspace, to be known even if the file is not.
impl Starter {
    fn folder(&self, id: &str) -> PathBuf {
        self.0.join(id)
    }

    fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|id| is_id(id)).collect()
    }

    /// The instance that the workspace has, or a new one under the lock of the storage folder.
    async fn reserve(&self, workspace: &Workspace) -> Result<Reserved, Error> {
        make_private(&self.0)?;
        let all = File::open(&self.0)?;
        all.lock()?;
        for other in self.ids() {
            let Some(saved) = self.read(&other) else { continue };
            if other.starts_with(&workspace.workspace_id) {
                if saved.instance.state != State::Error {
                    return Ok(Reserved::Known(saved.instance)); // IDEM-01
                }
                let Some(_own) = try_lock(&self.folder(&other)) else { return Err(busy(&other)) };
                self.discard(&other).await?; // what a killed driver left (CREATE-10)
            } else if saved.instance.name == workspace.name {
                let message = format!("instance {other:?} has the name {:?}", workspace.name);
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
        }
        let mut unique = [0; 4];
        File::open("/dev/urandom")?.read_exact(&mut unique)?; // never the same again (INST-05)
        let id = format!("{}-{:08x}", workspace.workspace_id, u32::from_ne_bytes(unique));
        let mut instance = Instance::new(&id, &workspace.workspace_id, &workspace.name, State::Stopped);
        instance.info.insert("source".into(), workspace.source_path.display().to_string());
        let value = |v: &kdn_protocol::EnvVar| Some((v.name.clone(), v.value.clone()?));
        let environment = workspace.environment.iter().filter_map(value).collect();
        let saved = Saved { instance, environment, unfinished: true };
        check_host(&self.environment(&saved), workspace)?;
        make_private(&self.folder(&id).join("home"))?;
        let own = try_lock(&self.folder(&id)).ok_or_else(|| busy(&id))?;
        self.save(saved.clone())?;
        Ok(Reserved::New(saved, own))
    }

    /// Under another name first, so that nobody reads half of it (CONC-06).
    fn save(&self, saved: Saved) -> Result<Instance, Error> {
        let file = self.folder(&saved.instance.id).join("instance");
        let text = serde_json::to_vec(&saved).map_err(|error| Error::internal(error.to_string()))?;
        fs::write(file.with_extension("new"), text)?;
        fs::rename(file.with_extension("new"), file)?;
        Ok(saved.instance)
    }

    /// `None` where there is no folder. What can't be read or is cut short is an `error` (LIST-05, LIST-06).
    fn read(&self, id: &str) -> Option<Saved> {
        if !is_id(id) || !self.folder(id).exists() {
            return None;
        }
        let text = fs::read(self.folder(id).join("instance")).unwrap_or_default();
        let broken = Instance::new(id, &id[..64], id, State::Error);
        let unread = Saved { instance: broken, environment: BTreeMap::new(), unfinished: true };
        let mut saved = serde_json::from_slice(&text)
            .ok()
            .filter(|saved: &Saved| saved.instance.id == id)
            .unwrap_or(unread);
        if saved.unfinished {
            saved.instance.state = State::Error;
            saved.instance.reason = Some("it is damaged, or was cut short".into());
        }
        Some(saved)
    }

    /// Reads an instance without waiting for changes (CONC-02). What is cut short comes or goes while it is locked.
    fn look(&self, id: &str) -> Result<Option<Instance>, Error> {
        let mut saved = self.read(id);
        if saved.as_ref().is_some_and(|saved| saved.unfinished) {
            let all = File::open(&self.0)?;
            all.lock()?; // or else `create` might be about to lock what it has made
            saved = try_lock(&self.folder(id)).and_then(|_own| self.read(id));
        }
        Ok(saved.map(|saved| saved.instance))
    }

    /// An instance that is whole, and the sole right to change it (CONC-03).
    fn change(&self, id: &str) -> Result<(Saved, File), Error> {
        self.read(id).ok_or_else(|| Error::instance_not_found(id))?;
        let own = try_lock(&self.folder(id)).ok_or_else(|| busy(id))?;
        let saved = self.read(id).ok_or_else(|| Error::instance_not_found(id))?;
        if saved.unfinished {
            return Err(Error::new(
                ErrorKind::InvalidState,
                "the instance is broken, and can only be removed",
            ));
        }
        Ok((saved, own))
    }

    /// Ends what runs, and removes all files.
    async fn discard(&self, id: &str) -> Result<(), Error> {
        self.end(id, Duration::ZERO).await;
        Ok(remove_all(&self.folder(id))?)
    }

    /// Writes files, and installs the agent if its command is not there.
    async fn fill(&self, saved: &Saved, workspace: &Workspace, context: &Context) -> Result<(), Error> {
        let folder = self.folder(&saved.instance.id);
        context.steps().start("Writing files", "Files written");
        for (i, file) in workspace.files.iter().enumerate() {
            tokio::task::yield_now().await;
            context.check()?;
            write(&folder.join("home"), file)
                .map_err(|error| Error::invalid_workspace(format!("files[{i}]"), error.to_string()))?;
        }
        let environment = self.environment(saved);
        if workspace.agent.install.is_empty() || can_run(&environment, workspace) {
            return Ok(());
        }
        context.steps().start("Installing agent", "Agent installed");
        for line in &workspace.agent.install {
            let log = folder.join("log");
            let mut shell = tokio::process::Command::new("/bin/sh");
            shell
                .args(["-c", line])
                .env_clear()
                .envs(&environment)
                .current_dir(folder.join("home"))
                .kill_on_drop(true);
            shell
                .stdin(Stdio::null())
                .stdout(File::create(&log)?)
                .stderr(OpenOptions::new().append(true).open(&log)?);
            let status = tokio::select! {
                status = shell.status() => status?,
                () = context.cancellation().cancelled() => return Err(Error::cancelled()),
            };
            let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
            context.log().write(Stream::Stdout, output.clone());
            if !status.success() {
                let command = CommandFailure::new(
                    vec!["/bin/sh".into(), "-c".into(), line.clone()],
                    status.code(),
                    output,
                );
                return Err(Error::new(ErrorKind::BackendFailed, "can't install the agent").command(command));
            }
        }
        self.end(&saved.instance.id, Duration::ZERO).await; // what the lines left running
        Ok(())
    }
}

/// Processes: those of an instance have its folder in their environment.
impl Starter {
    fn mark(&self, id: &str) -> String {
        self.folder(id).display().to_string()
    }

    fn environment(&self, saved: &Saved) -> BTreeMap<String, String> {
        let is_passed = |name: &str| {
            matches!(name, "TERM" | "COLORTERM" | "NO_COLOR" | "LANG" | "TZ") || name.starts_with("LC_") // TERM-16
        };
        let own = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut all: BTreeMap<_, _> = own.filter(|(name, _)| is_passed(name)).collect();
        let home = self.folder(&saved.instance.id).join("home").display().to_string();
        let path = env::var("PATH").unwrap_or_default();
        all.insert("PATH".into(), format!("{home}/.local/bin:{path}"));
        all.extend(saved.environment.clone());
        all.insert("HOME".into(), home);
        all.insert("KDN_INSTANCE".into(), self.mark(&saved.instance.id));
        all
    }

    fn processes(&self, id: &str) -> Vec<rustix::process::Pid> {
        let mark = format!("KDN_INSTANCE={}", self.mark(id));
        let is_marked = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default(); // empty, if it has ended
            environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_marked).filter_map(rustix::process::Pid::from_raw).collect()
    }

    /// Asks all processes of an instance to end, and kills them after the grace (STOP-01, STOP-03).
    async fn end(&self, id: &str, grace: Duration) {
        use rustix::process::{Signal, kill_process};
        let (began, mut asked) = (Instant::now(), HashSet::new());
        loop {
            let pids = self.processes(id);
            if pids.is_empty() {
                return;
            }
            for pid in pids {
                if began.elapsed() >= grace {
                    let _ = kill_process(pid, Signal::KILL); // it may have ended by now
                } else if asked.insert(pid) {
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What the plan of `terminal` runs: it becomes the command, so that stdin, signals and the exit status are the
/// command's own. It has the mark of the instance by now: either it sees that `stop` is done, or `stop` sees it.
fn attach(driver: &Starter, id: &str, command: &[String]) -> ExitCode {
    let Some(saved) = driver.read(id).filter(|saved| saved.instance.state == State::Running) else {
        eprintln!("the instance {id:?} is not running");
        return ExitCode::from(125);
    };
    let error =
        Command::new(&command[0]).args(&command[1..]).env_clear().envs(driver.environment(&saved)).exec();
    eprintln!("{:?}: {error}", command[0]);
    ExitCode::from(if error.kind() == NotFound { 127 } else { 126 }) // TERM-09
}

/// Looks for what a workspace needs of this machine; the crate has seen to its paths.
fn check_host(environment: &BTreeMap<String, String>, workspace: &Workspace) -> Result<(), Error> {
    if !workspace.source_path.is_dir() {
        return Err(Error::invalid_workspace("sourcePath", "the source is not a folder"));
    }
    for (i, file) in workspace.files.iter().enumerate() {
        if file.source.as_ref().is_some_and(|source| !source.is_file()) {
            return Err(Error::invalid_workspace(
                format!("files[{i}].source"),
                "the source is not a regular file",
            ));
        }
    }
    if workspace.agent.install.is_empty() && !can_run(environment, workspace) {
        let message = format!("the command of agent {:?} is not found", workspace.agent.name);
        return Err(Error::invalid_workspace("agent.name", message)); // AGENT-02
    }
    Ok(())
}

fn can_run(environment: &BTreeMap<String, String>, workspace: &Workspace) -> bool {
    let shell = if workspace.agent.name == "shell" { "sh" } else { "" };
    let program = workspace.agent.command.first().map_or(shell, String::as_str);
    let mut look = Command::new("/bin/sh");
    look.args(["-c", "command -v \"$1\"", "sh", program]).env_clear().envs(environment);
    look.current_dir(&workspace.source_path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    look.status().is_ok_and(|status| status.success())
}

/// Writes a file into a new home, in which no symbolic link is yet (WORK-06, WORK-08).
fn write(home: &Path, file: &FileEntry) -> io::Result<()> {
    let path = home.join(&file.path);
    make_private(path.parent().unwrap_or(home))?;
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    if let Some(source) = &file.source {
        io::copy(&mut File::open(source)?, &mut out)?;
    } else if let Some(text) = &file.content_base64 {
        out.write_all(&data_encoding::BASE64.decode(text.as_bytes()).map_err(io::Error::other)?)?;
    }
    out.set_permissions(Permissions::from_mode(file.mode))
}

/// Locks a folder, unless somebody else does. The kernel frees it when its process ends, in any way (LIFE-33).
fn try_lock(folder: &Path) -> Option<File> {
    let own = File::open(folder).ok()?;
    own.try_lock().ok().map(|()| own)
}

fn remove_all(folder: &Path) -> io::Result<()> {
    let _ = fs::remove_file(folder.join("instance")); // first, so that it counts as cut short until all is gone
    Command::new("chmod").args(["-R", "u+rwX"]).arg(folder).status()?; // some installers leave folders that can't be emptied
    fs::remove_dir_all(folder)
}

fn is_id(id: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    id.split_once('-').is_some_and(|(workspace, unique)| {
        workspace.len() == 64 && unique.len() == 8 && hex(workspace) && hex(unique)
    })
}

fn busy(id: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("another change of instance {id:?} is under way"))
}
