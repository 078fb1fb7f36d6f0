//! Measuring one thing against another: both in turn, over and over, in one run, so that the ratio holds on a machine
//! whose speed drifts.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Prints a line of the report. A reader that has gone away must not leave a benchmark half done.
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}
pub(crate) use say;

/// The median times of `subject` and `reference`, run in turn `rounds` times after one round that does not count.
pub(crate) fn pair(rounds: usize, subject: impl FnMut(), reference: impl FnMut()) -> Pair {
    pair_with(rounds, subject, reference, || ())
}

/// The same with `between`, which is not measured, after each `subject`.
pub(crate) fn pair_with(
    rounds: usize,
    mut subject: impl FnMut(),
    mut reference: impl FnMut(),
    mut between: impl FnMut(),
) -> Pair {
    let mut times = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        let subject = time(&mut subject);
        between();
        let pair = (subject, time(&mut reference));
        if round > 0 {
            times.push(pair);
        }
    }
    Pair { times }
}

pub(crate) fn time(work: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

pub(crate) struct Pair {
    times: Vec<(Duration, Duration)>,
}

impl Pair {
    /// Prints both medians, and the median of the ratios of the rounds beside its bound.
    pub(crate) fn report(&self, subject: &str, reference: &str, bound: f64) {
        let subject_time = median(self.times.iter().map(|(s, _)| s.as_secs_f64()).collect());
        let reference_time = median(self.times.iter().map(|(_, r)| r.as_secs_f64()).collect());
        let ratio = median(self.times.iter().map(|(s, r)| s.as_secs_f64() / r.as_secs_f64()).collect());
        let verdict = if ratio <= bound { "within" } else { "ABOVE" };
        say!("{subject}: {}", unit(subject_time));
        say!("  against {reference}: {}", unit(reference_time));
        say!("  ratio {ratio:.2}, {verdict} {bound} ({} rounds)", self.times.len());
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn unit(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{:.1} us", seconds * 1e6) } else { format!("{:.2} ms", seconds * 1e3) }
}

/// An executable of this workspace, built in the same profile.
pub(crate) fn executable(name: &str) -> PathBuf {
    let deps = std::env::current_exe().expect("this process has an executable");
    let folder = deps.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: run `cargo build --release --workspace` first", path.display());
    path
}

/// Peak memory of this process, in KiB.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Keeps this process, and those that it starts, on one processor until the result is dropped.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to_one_processor() -> impl Drop {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    struct Unpin(CpuSet);

    impl Drop for Unpin {
        fn drop(&mut self) {
            let _ = sched_setaffinity(None, &self.0);
        }
    }

    let all = sched_getaffinity(None).expect("the processors of this process");
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("at least one");
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).expect("a process may narrow its processors");
    Unpin(all)
}

/// Elsewhere the scheduler decides.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to_one_processor() -> impl Drop {
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {}
    }
    Nothing
}
