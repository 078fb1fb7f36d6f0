//! Runs checks against a driver, several at once, and gathers what comes out.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use kdn_protocol::Manifest;
use serde_json::{Value, json};

use crate::{
    check::{Check, Need, Profile},
    checks,
    client::{Driver, Launch, Transcript},
    cx::{self, Cx, Suite},
    fixture::Fixture,
    outcome::{Outcome, Report, Subject, Timing, Verdict},
    processes,
    schema::Schemas,
    stop::Stop,
    watch::{Findings, Watch},
};

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The driver's executable.
    pub driver: PathBuf,
    /// The checks to run.
    pub checks: Vec<&'static Check>,
    /// The profiles that were asked for. Empty: all.
    pub profiles: Vec<Profile>,
    /// Whether checks that wait for deadlines were left out.
    pub quick: bool,
    /// Counts warnings as failures.
    pub strict: bool,
    /// Where the random walk begins.
    pub seed: u64,
    /// How many checks run at once.
    pub jobs: usize,
    /// How long to wait for the answer to a request that is no change. Above 10 s, shorter limits grow with it.
    pub patience: Duration,
    /// How long to wait for the answer to a change.
    pub change_patience: Duration,
    /// What the user told about the driver.
    pub fixture: Fixture,
    /// The environment that drivers get, besides what the fixture says.
    pub env: BTreeMap<String, String>,
    /// An executable of this suite, which is put into workspaces as `probe`.
    pub probe: PathBuf,
    /// The command that is shown for repeating this run.
    pub command: Vec<String>,
    /// Set when the user gives up.
    pub interrupted: Arc<AtomicBool>,
}

/// How much longer a change may take than another request.
pub(crate) const CHANGE: u32 = 60;
/// How long the answer to a request that is no change may take, unless it is said.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

impl Options {
    /// All checks, as `kdn-conformance run` does them, one at a time. `probe` is an executable that gives what follows
    /// the argument `probe` to the suite: `kdn-conformance`, or the test that calls [`harness::main`](crate::harness::main).
    pub fn new(driver: PathBuf, fixture: Fixture, probe: PathBuf) -> Self {
        Self {
            driver,
            checks: checks().collect(),
            profiles: Vec::new(),
            quick: false,
            strict: false,
            seed: u64::from(cx::random()),
            jobs: 1,
            patience: PATIENCE,
            change_patience: PATIENCE * CHANGE,
            env: crate::env::for_drivers(&fixture),
            fixture,
            probe,
            command: Vec::new(),
            interrupted: Arc::default(),
        }
    }
}

/// What happens while checks run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A check has begun.
    Begun(&'static Check),
    /// A check is done.
    Done(&'a Verdict),
}

/// Runs the checks; `tell` sees what happens, in no particular order.
pub fn run(options: &Options, tell: &(dyn Fn(Event<'_>) + Sync)) -> Report {
    let started = Instant::now();
    processes::begin();
    let findings = Findings::default();
    let schemas = Schemas::new();
    let mut env = options.env.clone();
    env.extend(options.fixture.environment.clone());
    let mut suite = Suite {
        program: options.driver.clone(),
        fixture: options.fixture.clone(),
        manifest: None,
        patience: options.patience,
        change_patience: options.change_patience,
        seed: options.seed,
        env,
        probe: options.probe.clone(),
        schemas,
        findings: findings.clone(),
        toured: Once::new(),
        interrupted: Arc::clone(&options.interrupted),
    };
    let (subject, timings) = describe(&mut suite);
    let suite = Arc::new(suite);

    let selected = &options.checks;
    // Those that take long begin first.
    let mut queue: Vec<usize> = (0..selected.len()).collect();
    queue.sort_by_key(|at| !selected[*at].slow);
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    let work = || {
        while let Some(at) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            let check = selected[*at];
            tell(Event::Begun(check));
            let mut verdict = judge(&suite, check);
            // What other checks see of it counts at the end.
            if !checks::is_watched(check) {
                tell(Event::Done(&verdict));
            }
            verdict.transcript.shrink_to_fit();
            verdicts.lock().unwrap_or_else(PoisonError::into_inner).push((*at, verdict));
        }
    };
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(work);
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.sort_by_key(|(at, _)| *at);
    let mut verdicts: Vec<Verdict> = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
    for verdict in verdicts.iter_mut().filter(|verdict| checks::is_watched(verdict.check)) {
        if let (Outcome::Passed, Some(found)) = (&verdict.outcome, findings.of(verdict.check.id)) {
            verdict.outcome = blame(verdict.check, found);
        }
        tell(Event::Done(verdict));
    }
    Report {
        subject,
        protocol_version: kdn_protocol::PROTOCOL_VERSION,
        profiles: if options.profiles.is_empty() { Profile::ALL.to_vec() } else { options.profiles.clone() },
        quick: options.quick,
        strict: options.strict,
        seed: options.seed,
        command: options.command.clone(),
        verdicts,
        timings,
        elapsed: started.elapsed(),
    }
}

fn judge(suite: &Arc<Suite>, check: &'static Check) -> Verdict {
    let started = Instant::now();
    let verdict = |outcome, transcript| Verdict { check, outcome, elapsed: started.elapsed(), transcript };
    if suite.interrupted.load(Ordering::Relaxed) {
        return verdict(Outcome::Skipped("interrupted".into()), Vec::new());
    }
    if let Some(reason) = unmet(suite, check) {
        return verdict(Outcome::Skipped(reason), Vec::new());
    }
    let mut cx = match Cx::new(suite, check) {
        Ok(cx) => cx,
        Err(stop) => return verdict(Outcome::Broken(stop.to_string()), Vec::new()),
    };
    let result = catch_unwind(AssertUnwindSafe(|| (check.run)(&mut cx)));
    let outcome = match result {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(Stop::Failed(seen))) => blame(check, seen),
        Ok(Err(Stop::Skipped(why))) => Outcome::Skipped(why),
        Ok(Err(Stop::Interrupted)) => Outcome::Skipped("interrupted".into()),
        Ok(Err(Stop::Broken(why))) => Outcome::Broken(why),
        Err(panic) => Outcome::Broken(format!("the check panicked: {}", said(panic.as_ref()))),
    };
    let transcript = cx.transcript.lines();
    let _ = catch_unwind(AssertUnwindSafe(|| cx.clean_up()));
    verdict(outcome, transcript)
}

fn blame(check: &Check, seen: String) -> Outcome {
    if check.is_must() { Outcome::Failed(seen) } else { Outcome::Warned(seen) }
}

fn unmet(suite: &Suite, check: &Check) -> Option<String> {
    check.needs.iter().find_map(|need| match (need, &suite.manifest) {
        (Need::Fixture(field), _) if !suite.fixture.has(field) => {
            Some(format!("the fixture has no {field:?}"))
        }
        (Need::Fixture(_), _) => None,
        (need, Some(manifest)) => need.unmet_by(manifest),
        (_, None) => Some("the manifest could not be had".into()),
    })
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "nothing said".into())
}

/// Asks the driver what it is, and measures how long that takes.
fn describe(suite: &mut Suite) -> (Subject, Vec<Timing>) {
    let file = suite.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let r#type = file.strip_prefix("kdn-runtime-").unwrap_or(&file).trim_end_matches(".exe").to_owned();
    let mut subject = Subject { path: suite.program.clone(), r#type, ..Subject::default() };
    let mut timings = Vec::new();
    // What goes wrong here is found again by the checks of the profile core.
    let Ok(manifest) = handshake(suite, &mut timings) else { return (subject, timings) };
    subject.display_name.clone_from(&manifest.display_name);
    subject.version.clone_from(&manifest.version);
    if let Ok(Value::Object(capabilities)) = serde_json::to_value(&manifest.capabilities) {
        subject.capabilities = capabilities.into_iter().map(|(name, _)| name).collect();
    }
    suite.manifest = Some(manifest);
    (subject, timings)
}

fn handshake(suite: &Suite, timings: &mut Vec<Timing>) -> Result<Manifest, Stop> {
    let dir = tempfile::Builder::new().prefix("kdn-check-").tempdir()?;
    let mut env = suite.env.clone();
    env.entry("HOME".into()).or_insert_with(|| dir.path().to_string_lossy().into_owned());
    let launch = Launch {
        program: suite.program.clone(),
        env,
        patience: suite.patience,
        long_patience: suite.patience,
        transcript: Transcript::new(),
        watch: Watch::new("the handshake", suite.schemas.clone(), Findings::default()),
        interrupted: Arc::clone(&suite.interrupted),
    };
    let started = Instant::now();
    let mut driver = Driver::start(&launch)?;
    let opened = driver.ok("initialize", &cx::initialize(&dir.path().join("storage")))?;
    let mut time = |name, value: Duration| {
        timings.push(Timing { name, value: value.as_secs_f64() * 1000.0, unit: "ms" });
    };
    time("start to initialized", started.elapsed());
    let asked = Instant::now();
    driver.ok("list", &json!({}))?;
    time("list", asked.elapsed());
    if let Some(kib) = resident_kib(driver.pid()) {
        timings.push(Timing { name: "memory", value: kib, unit: "KiB" });
    }
    let ending = Instant::now();
    driver.shutdown()?;
    timings.push(Timing {
        name: "shutdown to exit",
        value: ending.elapsed().as_secs_f64() * 1000.0,
        unit: "ms",
    });
    serde_json::from_value(opened["manifest"].clone()).map_err(|error| Stop::Failed(error.to_string()))
}

/// The memory of a process, as Linux tells it.
fn resident_kib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()
}
