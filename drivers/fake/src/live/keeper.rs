//! The keeper of a running instance: a process in a session of its own that holds the values of secrets, forwards
//! ports, and serves the gateway. The instance runs for as long as it lives.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use kdn_protocol::{Error, ErrorKind, Forward};
use rustix::{
    process::{
        DumpableBehavior, Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, set_dumpable_behavior,
        setsid,
    },
    stdio::{dup2_stdin, dup2_stdout, stdin, stdout},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncWriteExt,
    net::UnixListener,
    signal::unix::{SignalKind, signal},
};

use super::{environment::Environment, forward::Listeners, gateway, members, rules::Rule};
use crate::files;

/// The first argument that makes this executable a keeper.
pub(super) const ROLE: &str = "keep";
/// Where commands ask for their environment, in the folder of work.
pub(super) const SOCKET: &str = "socket";
/// Locked for as long as the keeper lives; holds [`Facts`].
const LOCK: &str = "keeper";
/// What the driver writes when the start is done.
pub(super) const CONFIRMATION: &str = "confirmed\n";

/// How long the members may take to end when the keeper is told to.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether the storage folder is still there.
const LOOK: Duration = Duration::from_secs(1);
/// How long others may keep the lock, who only look whether it is locked.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a keeper needs to know. It comes through a pipe, since it holds the values of secrets.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) name: String,
    pub(super) mark: String,
    pub(super) command: CommandOrder,
    pub(super) forwards: Vec<Forward>,
    pub(super) rules: Vec<Rule>,
}

/// What a command of the instance needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CommandOrder {
    pub(super) source: PathBuf,
    pub(super) environment: Environment,
}

/// What a keeper says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pid: i32,
    /// That of the gateway.
    pub(super) port: u16,
}

/// The keeper that lives in this folder of work.
pub(super) fn look(work: &Path) -> Option<Facts> {
    let file = File::open(work.join(LOCK)).ok()?;
    // Shared, since two who look must not take each other for the keeper.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => serde_json::from_reader(file).ok(),
        _ => None,
    }
}

/// Kills the keeper in this folder, if there is one, and waits for its end.
pub(super) fn kill(work: &Path) -> Result<(), Error> {
    let Some(pid) = look(work).and_then(|facts| Pid::from_raw(facts.pid)) else { return Ok(()) };
    let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    // Once it is known to live still, the descriptor can be of nobody else.
    let deadline = Instant::now() + PATIENCE;
    while look(work).is_some() {
        let _ = pidfd_send_signal(&descriptor, Signal::KILL);
        if Instant::now() > deadline {
            return Err(Error::internal(format!("keeper {} does not end", pid.as_raw_nonzero())));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The keeper itself, whose working directory is the folder of work.
pub(super) fn main() -> ExitCode {
    let _ = setsid();
    // Nobody but root reads its memory.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn keep() -> io::Result<()> {
    let mut driver = BufReader::new(File::from(rustix::io::fcntl_dupfd_cloexec(stdin(), 3)?));
    let mut answer = File::from(rustix::io::fcntl_dupfd_cloexec(stdout(), 3)?);
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    drop(null);

    let mut line = String::new();
    driver.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    drop(line);
    let prepared = Prepared::new(order);
    serde_json::to_writer(&answer, &prepared.as_ref().map(|_| ()))?;
    answer.write_all(b"\n")?;
    drop(answer);
    let Ok(prepared) = prepared else { return Ok(()) };

    // A driver that ends before the start is done takes the keeper with it.
    let mut confirmation = String::new();
    driver.read_line(&mut confirmation)?;
    drop(driver);
    if confirmation != CONFIRMATION {
        return Ok(());
    }
    let mark = prepared.order.mark.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, prepared.serve())?;
    runtime.block_on(members::end(&mark, GRACE)).map_err(io::Error::other)?;
    members::kill(&mark).map_err(io::Error::other)
}

/// All that can fail is done.
struct Prepared {
    order: Order,
    ports: Listeners,
    gateway: std::net::TcpListener,
    socket: std::os::unix::net::UnixListener,
    /// Unlocked by the end of the process.
    _lock: File,
}

impl Prepared {
    fn new(mut order: Order) -> Result<Self, Error> {
        let ports = Listeners::bind(&order.forwards)?;
        let gateway = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = gateway.local_addr()?.port();
        if !order.rules.is_empty() {
            order.command.environment.set_proxy(port);
        }
        let lock = lock(&Facts { pid: std::process::id().cast_signed(), port })?;
        let _ = fs::remove_file(SOCKET);
        // Relative, since the whole path may be longer than the address of a socket can be.
        let socket = std::os::unix::net::UnixListener::bind(SOCKET)?;
        socket.set_nonblocking(true)?;
        gateway.set_nonblocking(true)?;
        Ok(Self { order, ports, gateway, socket, _lock: lock })
    }

    /// Serves until SIGTERM comes, or nobody can find this instance any more.
    async fn serve(self) -> io::Result<()> {
        let mut terminated = signal(SignalKind::terminate())?;
        let socket = UnixListener::from_std(self.socket)?;
        self.ports.serve()?;
        let rules = Rc::new(self.order.rules);
        tokio::task::spawn_local(gateway::serve(
            tokio::net::TcpListener::from_std(self.gateway)?,
            rules,
            self.order.name,
        ));
        let orders: Rc<[u8]> = serde_json::to_vec(&self.order.command)?.into();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = terminated.recv() => return Ok(()),
                _ = look.tick() => if !Path::new(LOCK).exists() { return Ok(()) },
                Ok((mut command, _)) = socket.accept() => {
                    let orders = Rc::clone(&orders);
                    tokio::task::spawn_local(async move { command.write_all(&orders).await });
                }
            }
        }
    }
}

fn lock(facts: &Facts) -> Result<File, Error> {
    let mut file = files::open_private(Path::new(LOCK))?;
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = file.try_lock() {
        if Instant::now() > deadline {
            return Err(Error::new(ErrorKind::Busy, format!("another keeper lives: {error}")));
        }
        thread::sleep(Duration::from_millis(1));
    }
    file.set_len(0)?;
    file.write_all(&serde_json::to_vec(facts).map_err(io::Error::from)?)?;
    Ok(file)
}
