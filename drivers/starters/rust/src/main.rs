//! A starter driver for kdn: a workspace is processes in its source folder, under the user's own account.
//!
//! Nothing is isolated, and the manifest says so. Ids such as WORK-06 are sentences of SPEC.md, the kdn runtime
//! protocol. The crate does the wire, checks params, and refuses what the manifest does not offer; `instance` does files
//! and processes. To make it a driver of your own, change `manifest`, and then begin with `create`.

mod instance;

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind::NotFound, Read, Write},
    os::unix::{fs::OpenOptionsExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use kdn_protocol::{
    CommandFailure, EnvVar, Error, ErrorKind, FileEntry, InitializeParams, Instance, ListParams, ListResult,
    Manifest, Plan, RemoveParams, StartParams, State, StopParams, Stream, Supported, TerminalParams,
    Workspace,
    driver::{Context, Driver, make_private, serve},
};

use crate::instance::{Saved, busy, try_lock};

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

/// The parts of `create`.
impl Starter {
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
        let value = |v: &EnvVar| Some((v.name.clone(), v.value.clone()?));
        let environment = workspace.environment.iter().filter_map(value).collect();
        let saved = Saved { instance, environment, unfinished: true };
        check_host(&self.environment(&saved), workspace)?;
        make_private(&self.folder(&id).join("home"))?;
        let own = try_lock(&self.folder(&id)).ok_or_else(|| busy(&id))?;
        self.save(saved.clone())?;
        Ok(Reserved::New(saved, own))
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
