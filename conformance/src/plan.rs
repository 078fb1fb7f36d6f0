//! Runs the plan of a terminal as a host does: piped, or at a terminal.

use std::{
    ffi::OsString,
    fmt,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    client::{Launch, Transcript},
    programs,
    stop::Stop,
    wait::until,
};

/// How often a wait looks again.
const TICK: Duration = Duration::from_millis(2);

/// What a command did.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        write!(f, "{}, stdout {stdout:?}, stderr {stderr:?}", self.status)
    }
}

/// The status as a shell tells it: 128+n for a command that signal n ended.
pub(crate) fn code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}

/// What a plan comes to for a user with the environment of `launch`.
struct Invocation {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    cwd: Option<PathBuf>,
}

impl Invocation {
    fn read(launch: &Launch, plan: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut env = launch.env.clone();
        for (name, value) in plan["env"].as_object().into_iter().flatten() {
            match value.as_str() {
                Some(value) => env.insert(name.clone(), value.to_owned()),
                None => env.remove(name),
            };
        }
        Self {
            program: plan["program"].as_str().map_or_else(|| launch.program.clone(), PathBuf::from),
            args: plan["args"].as_array().into_iter().flatten().map(|arg| text(arg).into()).collect(),
            env: env.into_iter().collect(),
            cwd: plan["cwd"].as_str().map(PathBuf::from),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "one of the places where the suite starts a process")]
    fn piped(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
    }

    fn cannot_run(&self, error: &dyn fmt::Display) -> Stop {
        Stop::Failed(format!("the plan's program {} can't be started: {error}", self.program.display()))
    }
}

/// A plan that runs with pipes.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Gathered,
    stderr: Gathered,
    patience: Duration,
    transcript: Transcript,
}

impl Running {
    /// Starts a plan that gets `input`, and then the end of it.
    pub(crate) fn start(launch: &Launch, plan: &Value, input: &[u8]) -> Result<Self, Stop> {
        let mut running = Self::start_open(launch, plan)?;
        if let Some(mut stdin) = running.child.stdin.take() {
            let input = input.to_vec();
            // A command need not read it all.
            thread::spawn(move || stdin.write_all(&input));
        }
        Ok(running)
    }

    /// Starts a plan whose stdin stays open, with nothing on it.
    pub(crate) fn start_open(launch: &Launch, plan: &Value) -> Result<Self, Stop> {
        let invocation = Invocation::read(launch, plan);
        launch.transcript.note(&format!("plan: {plan}"));
        let mut child =
            programs::start(|| invocation.piped().spawn()).map_err(|error| invocation.cannot_run(&error))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Stop::Broken("a pipe to the plan's process is missing".into()));
        };
        Ok(Self {
            child,
            stdout: Gathered::from(stdout),
            stderr: Gathered::from(stderr),
            patience: launch.patience,
            transcript: launch.transcript.clone(),
        })
    }

    /// What it printed so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.bytes()).into_owned()
    }

    /// Waits until it has printed this.
    pub(crate) fn wait_for(&self, text: &str) -> Result<(), Stop> {
        wait(self.patience, || self.stdout().contains(text))
            .ok_or_else(|| Stop::Failed(format!("the command did not print {text:?}: {:?}", self.stdout())))
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Result<Output, Stop> {
        let status = exit(&mut self.child, self.patience)?;
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|stream| stream.whole(self.patience));
        let output = Output { status, stdout, stderr };
        self.transcript.note(&format!("the plan's process ended: {output}"));
        Ok(output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a plan to its end.
pub(crate) fn run(launch: &Launch, plan: &Value, input: &[u8]) -> Result<Output, Stop> {
    Running::start(launch, plan, input)?.finish()
}

/// A plan that runs at a terminal with a user in front of it.
pub(crate) struct Session {
    child: Child,
    terminal: Arc<pty_process::blocking::Pty>,
    output: Gathered,
    patience: Duration,
    transcript: Transcript,
}

impl Session {
    /// Starts a plan at a terminal with 24 lines of 80 columns.
    pub(crate) fn start(launch: &Launch, plan: &Value) -> Result<Self, Stop> {
        let invocation = Invocation::read(launch, plan);
        launch.transcript.note(&format!("plan at a terminal: {plan}"));
        let broken = |error: pty_process::Error| Stop::Broken(format!("no terminal: {error}"));
        let (terminal, other_end) = pty_process::blocking::open().map_err(broken)?;
        terminal.resize(pty_process::Size::new(24, 80)).map_err(broken)?;
        let mut command = pty_process::blocking::Command::new(&invocation.program)
            .args(&invocation.args)
            .env_clear()
            .envs(invocation.env.iter().cloned())
            .env("TERM", "xterm");
        if let Some(cwd) = &invocation.cwd {
            command = command.current_dir(cwd);
        }
        let child =
            programs::start(|| command.spawn(other_end)).map_err(|error| invocation.cannot_run(&error))?;
        let terminal = Arc::new(terminal);
        let output = Gathered::from(Shared(Arc::clone(&terminal)));
        let (patience, transcript) = (launch.patience, launch.transcript.clone());
        Ok(Self { child, terminal, output, patience, transcript })
    }

    /// Types something.
    pub(crate) fn send(&self, text: &str) -> Result<(), Stop> {
        self.transcript.add("typed", text.as_bytes());
        Ok((&*self.terminal).write_all(text.as_bytes())?)
    }

    pub(crate) fn resize(&self, lines: u16, columns: u16) -> Result<(), Stop> {
        let resized = self.terminal.resize(pty_process::Size::new(lines, columns));
        resized.map_err(|error| Stop::Broken(format!("the terminal can't be resized: {error}")))
    }

    /// What is on the screen, all of it since the start.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.output.bytes()).into_owned()
    }

    /// Waits until this is on the screen.
    pub(crate) fn wait_for(&self, text: &str) -> Result<(), Stop> {
        let found = wait(self.patience, || self.screen().contains(text));
        self.transcript.add("screen", self.screen().as_bytes());
        found.ok_or_else(|| Stop::Failed(format!("the terminal did not show {text:?}: {:?}", self.screen())))
    }

    /// The settings of the terminal.
    pub(crate) fn settings(&self) -> Result<rustix::termios::Termios, Stop> {
        rustix::termios::tcgetattr(&*self.terminal).map_err(|error| Stop::Broken(error.to_string()))
    }

    /// Waits for the end of the plan's process.
    pub(crate) fn finish(&mut self) -> Result<ExitStatus, Stop> {
        let status = exit(&mut self.child, self.patience)?;
        self.transcript.note(&format!("the plan's process ended: {status}"));
        Ok(status)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads from a terminal that somebody else writes to.
struct Shared(Arc<pty_process::blocking::Pty>);

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

/// What a stream brought so far.
#[derive(Debug, Clone)]
struct Gathered(Arc<Mutex<(Vec<u8>, bool)>>);

impl Gathered {
    fn from(mut stream: impl Read + Send + 'static) -> Self {
        let gathered = Self(Arc::default());
        let kept = gathered.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                kept.lock().0.extend_from_slice(&buffer[..read]);
            }
            kept.lock().1 = true;
        });
        gathered
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Vec<u8>, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> Vec<u8> {
        self.lock().0.clone()
    }

    /// All of it, as far as it comes within that time.
    fn whole(&self, within: Duration) -> Vec<u8> {
        let _ = wait(within, || self.lock().1);
        self.bytes()
    }
}

fn exit(child: &mut Child, within: Duration) -> Result<ExitStatus, Stop> {
    let ended = until(within, TICK, || child.try_wait().transpose()).transpose()?;
    ended.ok_or_else(|| {
        Stop::Failed(format!("the plan's process did not end within {} s", within.as_secs_f64()))
    })
}

/// Waits until something is so; `None` if it is not within that time.
pub(crate) fn wait(within: Duration, mut is_so: impl FnMut() -> bool) -> Option<()> {
    until(within, TICK, || is_so().then_some(()))
}
