//! A small world for kdn: a home, a project folder, drivers on `PATH`, and an environment that nothing leaks into.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Run, Running, locate};

/// Makes a workspace.
pub(crate) const INIT: [&str; 7] = ["init", "-r", "fake", "-a", "claude", "-p", "demo"];

/// A home, a project folder `src/app` in it, and a folder of executables, all gone with the value.
pub(crate) struct Env {
    root: PathBuf,
    vars: BTreeMap<OsString, OsString>,
    /// What starts kdn, such as a tool that changes the user.
    pub(crate) wrapper: Vec<OsString>,
    _folder: tempfile::TempDir,
}

impl Env {
    /// With the driver `fake`.
    pub(crate) fn new() -> Self {
        Self::with_drivers(&["fake"])
    }

    /// The same with a workspace `app`, made with [`INIT`] and these arguments.
    pub(crate) fn with_app(more: &[&str]) -> Self {
        let env = Self::new();
        env.ok(&[&INIT, more].concat());
        env
    }

    /// With these drivers and no others.
    pub(crate) fn with_drivers(drivers: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("kdn-").tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let env = Self { root, vars: BTreeMap::new(), wrapper: Vec::new(), _folder: folder };
        fs::create_dir(env.bin()).unwrap();
        fs::create_dir_all(env.project()).unwrap();
        // kdn looks for drivers beside itself, so it can't stay beside all of them.
        env.install(Path::new(env!("CARGO_BIN_EXE_kdn")), "kdn");
        for driver in drivers {
            env.install(&locate::driver(driver), &format!("kdn-runtime-{driver}"));
        }
        let home = env.home().into_os_string();
        let path = env.bin().into_os_string();
        env.set("HOME", home).set("PATH", path).set("COLUMNS", "80")
    }

    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Puts a tool of the machine on `PATH`.
    pub(crate) fn tool(&self, tool: &Path) -> &Self {
        symlink(tool, self.bin().join(tool.file_name().unwrap())).unwrap();
        self
    }

    /// Adds the driver `bad`, which misbehaves as its script says.
    #[must_use]
    pub(crate) fn with_bad(self, misdeed: &str) -> Self {
        self.with_bad_as("bad", misdeed)
    }

    /// The same under another name.
    #[must_use]
    pub(crate) fn with_bad_as(self, kind: &str, misdeed: &str) -> Self {
        // A link, as a file that is written here could be kept from being run by a test that starts a process just now.
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/bad/driver.sh");
        symlink(script, self.bin().join(format!("kdn-runtime-{kind}"))).unwrap();
        self.set("BAD", misdeed)
    }

    /// Puts a program on `PATH` that does nothing.
    pub(crate) fn program(&self, name: &str) {
        symlink("/bin/true", self.bin().join(name)).unwrap();
    }

    fn install(&self, from: &Path, name: &str) {
        let to = self.bin().join(name);
        if fs::hard_link(from, &to).is_err() {
            fs::copy(from, &to).unwrap();
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(crate) fn storage(&self) -> PathBuf {
        self.home().join(".kdn")
    }

    /// The folder in which kdn runs.
    pub(crate) fn project(&self) -> PathBuf {
        self.home().join("src/app")
    }

    /// Gives the project a configuration.
    pub(crate) fn configure(&self, config: &serde_json::Value) {
        let folder = self.project().join(".kaiden");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("workspace.json"), config.to_string()).unwrap();
    }

    /// A program in this world, such as kdn.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut words = self.wrapper.clone();
        words.push(self.bin().join("kdn").into_os_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(args);
        command.env_clear().envs(&self.vars).current_dir(self.project());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Any program, in the project folder.
    pub(crate) fn program_at(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.vars).current_dir(self.project());
        command
    }

    /// Runs kdn to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let mut command = self.command(args);
        let output = command.output().unwrap();
        Run::new(&command, output, &self.root)
    }

    /// Runs kdn, which has to succeed; its stdout without the last line end.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let mut command = self.command(args);
        let output = command.output().unwrap();
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let run = Run::new(&command, output, &self.root);
        assert_eq!(run.code, Some(0), "kdn {args:?}: {run}");
        stdout.trim_end().to_owned()
    }

    /// What `kdn list` knows, as JSON.
    pub(crate) fn list(&self) -> Vec<serde_json::Value> {
        let json = self.ok(&["list", "--output", "json"]);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        document["items"].as_array().unwrap().clone()
    }

    /// Starts kdn and goes on.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::new(self.command(args), &self.root)
    }

    /// All files and folders below a folder.
    pub(crate) fn tree(folder: &Path) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, found);
                }
                found.push(path);
            }
        }
        let mut found = Vec::new();
        walk(folder, &mut found);
        let mut names: Vec<String> =
            found.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect();
        names.sort();
        names
    }

    /// The processes that belong to this world.
    pub(crate) fn processes(&self) -> Vec<String> {
        let output = Command::new("ps").args(["axeww", "-o", "pid,command"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let mark = self.root.display().to_string();
        text.lines().filter(|line| line.contains(&mark)).map(str::to_owned).collect()
    }

    /// Waits a moment for what has been killed to be gone.
    pub(crate) fn assert_no_processes(&self) {
        super::wait_until("no process is left", || self.processes().is_empty().then_some(()));
    }
}
