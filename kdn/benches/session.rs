//! What the protocol costs: a driver session, a round trip, a flood of notifications.

#![expect(clippy::disallowed_methods, reason = "benchmarks start processes of their own")]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use kdn_protocol::{
    Agent, Empty, HostInfo, ListParams, RemoveParams, Workspace,
    host::{Event, Interrupts, Launch, Session, ignore_events},
    method::{Create, GetStatus, List, Remove},
};
use tokio::runtime::Runtime;

const STEPS: usize = 100_000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("echo") {
        return echo();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let storage = tempfile::tempdir().expect("a temporary folder");
    session(&runtime, storage.path());
    round_trip(&runtime, storage.path());
    steps(&runtime, storage.path());
}

async fn open(storage: &Path) -> Session {
    let host = HostInfo::this_process("bench", "0");
    let launch = Launch::new("fake", support::executable("kdn-runtime-fake"), host);
    Session::open(&launch, storage.to_path_buf(), Interrupts::never()).await.expect("a session")
}

fn session(runtime: &Runtime, storage: &Path) {
    let whole = || {
        runtime.block_on(async {
            let session = open(storage).await;
            session.call::<List>(&ListParams::default(), &mut ignore_events).await.expect("a list");
            session.close().await;
        });
    };
    let spawn = || {
        runtime.block_on(async {
            tokio::process::Command::new("/bin/true").status().await.expect("/bin/true runs");
        });
    };
    support::pair(200, whole, spawn).report(
        "session: spawn, initialize, list, shutdown, exit",
        "spawn and wait for /bin/true",
        3.0,
    );
}

/// On one processor: across two, both sides mostly measure how long a sleeping one takes to wake up.
fn round_trip(runtime: &Runtime, storage: &Path) {
    const CALLS: usize = 200;
    let pinned = support::pin_to_one_processor();
    let session = runtime.block_on(open(storage));
    let calls = || {
        runtime.block_on(async {
            for _ in 0..CALLS {
                session.call::<GetStatus>(&Empty {}, &mut ignore_events).await.expect("a status");
            }
        });
    };
    let mut child = Command::new(std::env::current_exe().expect("an executable"))
        .arg("echo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the echo process starts");
    let mut to = child.stdin.take().expect("its stdin");
    let mut from = BufReader::new(child.stdout.take().expect("its stdout"));
    let mut line = String::new();
    let ping_pong = || {
        for _ in 0..CALLS {
            to.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":{}}\n")
                .expect("a ping");
            line.clear();
            from.read_line(&mut line).expect("a pong");
        }
    };
    support::pair(50, calls, ping_pong).report(
        &format!("{CALLS} round trips of a call, on one processor"),
        "as many lines between two processes over pipes",
        3.0,
    );
    drop(to);
    child.wait().expect("the echo process ends");
    runtime.block_on(session.close());
    drop(pinned);
}

/// The other end of the bare ping-pong.
fn echo() {
    let mut stdin = std::io::stdin().lock();
    let mut stdout = std::io::stdout();
    let mut line = Vec::new();
    while stdin.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if stdout.write_all(&line).and_then(|()| stdout.flush()).is_err() {
            return;
        }
        line.clear();
    }
}

fn steps(runtime: &Runtime, storage: &Path) {
    runtime.block_on(async {
        let session = open(storage).await;
        let source = storage.parent().expect("a parent");
        let mut workspace =
            Workspace::new("a".repeat(64), "steps", source, Agent::new("shell", vec!["sh".into()]));
        workspace.options.insert("fake-steps".into(), (STEPS / 10).to_string());
        let first = session.call::<Create>(&workspace, &mut ignore_events).await.expect("an instance");
        session.call::<Remove>(&RemoveParams::new(first.id), &mut ignore_events).await.expect("removed");

        let before = support::peak_memory();
        workspace.options.insert("fake-steps".into(), STEPS.to_string());
        let mut seen = 0_usize;
        let start = std::time::Instant::now();
        let mut count = |event: Event| seen += usize::from(matches!(event, Event::Step(_)));
        session.call::<Create>(&workspace, &mut count).await.expect("an instance");
        let took = start.elapsed();
        let grown = support::peak_memory().zip(before).map(|(after, before)| after - before);
        support::say!("{seen} step notifications of one call, {STEPS} asked for: {took:?}");
        support::say!(
            "  peak memory grew by {} KiB since a call with a tenth of them",
            grown.unwrap_or_default()
        );
        session.close().await;
    });
}
