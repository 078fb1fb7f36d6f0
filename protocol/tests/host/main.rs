//! The host's side of the wire against drivers that misbehave: what the user reads, and that nothing is left.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic anywhere")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod cancelling;
mod ending;
mod events;

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use kdn_protocol::{
    Agent, HostInfo, Instance, Workspace,
    host::{Deadline, Event, HostError, InterruptSender, Interrupts, Launch, Session, ignore_events},
    method::{Create, Info},
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// One misbehaving driver and the session with it.
struct Test {
    session: Session,
    interrupts: InterruptSender,
    /// Among the arguments of every process of this test.
    mark: String,
}

fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("kdn-protocol-test-{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn launch(how: &str, mark: &str) -> Launch {
    let mut launch =
        Launch::new("bad", support::example("bad-driver"), HostInfo::this_process("kdn", "0.0.0"));
    launch.args = vec![how.into(), mark.into()];
    launch
}

/// The same, in a process that ignores SIGTERM.
fn deaf_to_term(how: &str, mark: &str) -> Launch {
    let mut launch = launch(how, mark);
    let driver = std::mem::replace(&mut launch.path, "/bin/sh".into());
    let args = ["-c", r#"trap '' TERM; exec "$0" "$@""#, driver.to_str().unwrap(), how, mark];
    launch.args = args.map(String::from).into();
    launch
}

async fn connect(launch: &Launch, interrupts: Interrupts) -> Result<Session, HostError> {
    Session::open(launch, "/nowhere/at/all".into(), interrupts).await
}

impl Test {
    async fn with(how: &str) -> Self {
        Self::of(launch, how).await
    }

    async fn of(launch: fn(&str, &str) -> Launch, how: &str) -> Self {
        let mark = mark();
        let (interrupts, listener) = InterruptSender::new();
        let session = connect(&launch(how, &mark), listener).await.unwrap();
        Self { session, interrupts, mark }
    }

    async fn create(&self) -> Result<Instance, HostError> {
        self.session.call::<Create>(&workspace(), &mut ignore_events).await
    }

    /// Creates; interrupts at the first event, and at each that follows.
    async fn create_and_interrupt(&self) -> Result<Instance, HostError> {
        let mut interrupt = |_: Event| self.interrupts.interrupt();
        self.session.call::<Create>(&workspace(), &mut interrupt).await
    }

    async fn create_within(&self, idle: u64, roll_back: u64) -> Result<Instance, HostError> {
        let [idle, roll_back] = [idle, roll_back].map(Duration::from_millis);
        let deadline = Deadline { idle, cap: PATIENCE, roll_back };
        self.session.call_within::<Create>(&workspace(), deadline, &mut ignore_events).await
    }

    async fn info(&self) -> Result<Instance, HostError> {
        let params = kdn_protocol::InfoParams::new("bad-1");
        self.session.call::<Info>(&params, &mut ignore_events).await
    }

    /// Closes the session; returns what is known of its end as text.
    async fn close(self) -> String {
        let ending = self.session.close().await.to_string();
        assert_gone(&self.mark);
        ending
    }
}

fn workspace() -> Workspace {
    Workspace::new("a".repeat(64), "bad", "/", Agent::new("shell", vec![]))
}

/// What a user reads.
fn text<T: std::fmt::Debug>(result: Result<T, HostError>) -> String {
    let error = result.unwrap_err();
    let hints = error.hints().iter().map(|hint| format!("\nhint: {hint}"));
    let text = std::iter::once(error.to_string()).chain(hints).collect::<String>();
    text.replace(support::example("bad-driver").to_str().unwrap(), "[driver]")
}

/// The processes of a test, zombies left out.
fn processes(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().map(|process| process.unwrap().path());
    let lines = processes.filter_map(|path| fs::read_to_string(path.join("cmdline")).ok());
    lines.filter(|line| line.contains(mark)).collect()
}

/// Waits until a test has as many processes as that; one that is started or killed takes a moment.
fn await_processes(mark: &str, count: std::ops::RangeInclusive<usize>) {
    let started = Instant::now();
    while !count.contains(&processes(mark).len()) {
        assert!(started.elapsed() < PATIENCE, "not {count:?}: {:?}", processes(mark));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_gone(mark: &str) {
    await_processes(mark, 0..=0);
}
