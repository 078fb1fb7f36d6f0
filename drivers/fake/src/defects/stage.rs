//! The processes that a shim starts: all begin as this executable, in a stage that makes ready what only a process
//! itself can make ready.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::fd::AsFd,
    os::unix::process::{CommandExt, parent_id},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        prctl::set_pdeathsig,
        signal::{SigSet, Signal},
    },
    unistd::setsid,
};

use rustix::{
    net::{AddressFamily, SendFlags, SocketType, send, socket},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::{BEHIND, DEFECT, variable};

/// Says which stage this process is in.
const STAGE: &str = "KDN_FAKE_STAGE";

/// Ends the stage that the environment names. `None`: this is none.
pub(super) fn enter() -> Option<ExitCode> {
    let stage = variable(STAGE)?.into_string().ok()?;
    let mut words = stage.splitn(4, ' ');
    let (name, number) = (words.next()?, words.next()?.parse().ok()?);
    match name {
        "driver" => Some(become_driver(number)),
        "loopback" => Some(cut(number).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)),
        _ => Some(linger(
            words.next()? == "apart",
            Duration::from_millis(number.into()),
            Path::new(words.next()?),
        )),
    }
}

/// The real driver, which does not outlive the shim `parent`.
fn become_driver(parent: u32) -> ExitCode {
    let _ = set_pdeathsig(Signal::SIGKILL);
    if parent_id() != parent {
        return ExitCode::FAILURE;
    }
    let _ = terminations().thread_unblock();
    failed(&real(std::env::args_os().skip(1)).exec())
}

/// Waits until `file` is gone, but no longer than `most`.
fn linger(apart: bool, most: Duration, file: &Path) -> ExitCode {
    if apart {
        let _ = setsid();
    }
    let _ = terminations().thread_unblock();
    let end = Instant::now() + most;
    while Instant::now() < end && file.exists() {
        thread::sleep(Duration::from_millis(20));
    }
    ExitCode::SUCCESS
}

/// The signal that a shim waits for, and that whatever it starts does not.
pub(super) fn terminations() -> SigSet {
    SigSet::from(Signal::SIGTERM)
}

/// Starts the real driver as a child that ends with this process.
pub(super) fn start_driver(own_group: bool, edit: impl FnOnce(&mut Command)) -> std::io::Result<Child> {
    let mut command = own();
    command.env(STAGE, format!("driver {}", std::process::id()));
    if own_group {
        command.process_group(0);
    }
    edit(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

/// The real driver with arguments, as this process would be if it had no defect.
pub(super) fn real(args: impl Iterator<Item = OsString>) -> Command {
    let mut command = command(&driver());
    command.env_remove(DEFECT).env_remove(BEHIND).env_remove(STAGE).args(args);
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    command
}

pub(super) fn failed(error: &std::io::Error) -> ExitCode {
    super::complain(&format!("{} can't be started: {error}", driver().display()));
    ExitCode::FAILURE
}

/// The absolute path of the real driver's executable.
pub(super) fn driver() -> PathBuf {
    let path = variable(BEHIND).map_or_else(this, PathBuf::from);
    std::path::absolute(&path).unwrap_or(path)
}

fn this() -> PathBuf {
    std::env::current_exe().unwrap_or_default()
}

fn own() -> Command {
    let mut command = command(&this());
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    command
}

#[expect(clippy::disallowed_methods, reason = "the one place of the defects that starts processes")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Takes the loopback interface down where the children of a process live, if that is a world of its own.
pub(super) fn cut_loopback(supervisor: &str) {
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        let mut command = own();
        command.env(STAGE, format!("loopback {child}")).stdin(Stdio::null()).stdout(Stdio::null());
        let _ = command.status();
    }
}

/// Takes the loopback interface down in the network of a process: a message of netlink.
fn cut(pid: u32) -> std::io::Result<()> {
    let [user, net] = ["user", "net"].map(|name| File::open(format!("/proc/{pid}/ns/{name}")));
    let (user, net) = (user?, net?);
    move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))?;
    move_into_link_name_space(net.as_fd(), Some(LinkNameSpaceType::Network))?;
    // The header: 32 bytes, RTM_NEWLINK, NLM_F_REQUEST, no number, from nobody. The interface: of any family and type,
    // the first, no flags, of which IFF_UP is changed.
    let words: [u32; 8] = [32, 16 | 1 << 16, 0, 0, 0, 1, 0, 1];
    let message: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&socket, &message, SendFlags::empty())?;
    Ok(())
}

/// A process that a defect leaves behind.
#[derive(Debug, Default)]
pub(super) struct Straggler {
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// Whether it stays in the session and the process group of the driver.
    pub(super) is_near: bool,
    /// Whether it keeps the driver's stdout open.
    pub(super) holds_stdout: bool,
}

impl Straggler {
    /// Starts it; it ends when `file` is removed, after `most` at the latest.
    pub(super) fn start(self, file: &Path, most: Duration) {
        let mut command = own();
        let place = OsStr::new(if self.is_near { "near" } else { "apart" });
        let mut stage = OsString::from(format!("linger {} ", most.as_millis()));
        stage.push(place);
        stage.push(" ");
        stage.push(file);
        command.env(STAGE, stage).args(self.args).envs(self.env).stdin(Stdio::null()).stderr(Stdio::null());
        command.stdout(if self.holds_stdout { Stdio::inherit() } else { Stdio::null() });
        let _ = command.spawn();
    }
}
