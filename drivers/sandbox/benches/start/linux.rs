//! The measurement itself.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement, no product"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use kdn_protocol::{Limits, NetworkMode};
use kdn_runtime_sandbox::agents::Installation;
use kdn_runtime_sandbox::plan::{Access, Entry, Plan};
use kdn_runtime_sandbox::{layout, supervisor};

const ROUNDS: usize = 200;

pub(super) fn main() -> ExitCode {
    // The supervisor and the exec client are this very executable in other roles.
    if std::env::args().nth(1).is_some_and(|role| role == "exec" || role == supervisor::ROLE) {
        return kdn_runtime_sandbox::run::main();
    }
    let folder = tempfile::tempdir().unwrap();
    let (home, sources) = (folder.path().join("home"), folder.path().join("sources"));
    for folder in [&home, &sources] {
        fs::create_dir(folder).unwrap();
    }
    File::create(folder.path().join("lock")).unwrap();
    let mut entries = layout::system("bench", NetworkMode::Deny);
    entries.extend(layout::of_user(&home, &sources, Installation::default(), &[]).unwrap());
    let plan = Plan {
        label: "bench".into(),
        hostname: "bench".into(),
        entries,
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        share_network: false,
        forwards: Vec::new(),
        limits: Limits::default(),
    };

    let ours = median(|| {
        let start = Instant::now();
        let state = supervisor::start(folder.path(), &plan).unwrap();
        run(Command::new("/proc/self/exe").arg("exec").arg(folder.path()).args(["--", "true"]));
        let elapsed = start.elapsed();
        let (supervisor, init) = (state.supervisor.open().unwrap(), state.init.open().unwrap());
        rustix::process::pidfd_send_signal(&supervisor, rustix::process::Signal::KILL).unwrap();
        for process in [supervisor, init] {
            let mut ended = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut ended, None).unwrap();
        }
        elapsed
    });
    println!("sandbox start + true: {ours:?}");
    if Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: bwrap not found");
        return ExitCode::SUCCESS;
    }
    let args = bubblewrap(&plan, folder.path());
    let theirs = median(|| {
        let start = Instant::now();
        run(Command::new("bwrap").args(&args).arg("true"));
        start.elapsed()
    });
    println!("bwrap true: {theirs:?}");
    println!("ratio: {:.2} (at most 1.3)", ours.as_secs_f64() / theirs.as_secs_f64());
    ExitCode::SUCCESS
}

fn run(command: &mut Command) {
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
}

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS).map(|_| measure()).collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

/// The same file tree and namespaces in bubblewrap's words.
fn bubblewrap(plan: &Plan, folder: &Path) -> Vec<String> {
    let mut args: Vec<String> =
        ["--unshare-all", "--uid", "1000", "--gid", "1000", "--proc", "/proc"].map(Into::into).into();
    args.extend(["--tmpfs", "/tmp", "--tmpfs", "/dev/shm", "--cap-drop", "ALL"].map(Into::into));
    for (index, entry) in plan.entries.iter().enumerate() {
        args.extend(match entry {
            Entry::Bind { source, target, access: Access::ReadWrite } => {
                ["--bind".into(), source.clone(), target.clone()]
            }
            Entry::Bind { source, target, access: Access::Device } => {
                ["--dev-bind".into(), source.clone(), target.clone()]
            }
            Entry::Bind { source, target, .. } | Entry::Copy { source, target } => {
                ["--ro-bind".into(), source.clone(), target.clone()]
            }
            Entry::Link { target, to } => ["--symlink".into(), to.clone(), target.clone()],
            Entry::File { target, text } => {
                let file = folder.join(format!("file{index}"));
                fs::write(&file, text).unwrap();
                ["--ro-bind".into(), file.display().to_string(), target.clone()]
            }
        });
    }
    args
}
