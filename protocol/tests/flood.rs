//! A flood of steps reaches the consumer without loss, in order, and without piling up in memory.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic anywhere")]

use std::fs;

use kdn_protocol::{
    Agent, HostInfo, Workspace,
    host::{Event, Interrupts, Launch, Session},
    method::Create,
};

mod support;

/// The most memory that this process ever held, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

// SPEC: STEP-15
#[tokio::test]
async fn a_hundred_thousand_steps_are_neither_lost_nor_kept() {
    let mut launch = Launch::new("bad", support::example("bad-driver"), HostInfo::this_process("test", "0"));
    launch.args = vec!["steps".into()];
    let session = Session::open(&launch, "/nowhere".into(), Interrupts::never()).await.unwrap();
    let (mut seen, mut early) = (0, 0);
    let mut observer = |event| {
        let Event::Step(step) = event else { panic!("{event:?}") };
        assert_eq!(step.in_progress.unwrap(), seen.to_string());
        seen += 1;
        if seen == 1_000 {
            early = peak();
        }
    };
    let workspace = Workspace::new("a".repeat(64), "bad", "/", Agent::new("shell", vec![]));
    session.call::<Create>(&workspace, &mut observer).await.unwrap();
    assert_eq!(seen, 100_000);
    let grown = peak() - early;
    assert!(grown < 2048, "{grown} KiB for 99,000 steps");
    session.close().await;
}
