//! `kdn-conformance run`

use std::{
    fs, io,
    io::IsTerminal,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{UNUSABLE, Unusable};
use crate::{
    baseline::{self, Baseline, Judged},
    check::{Check, Profile},
    fixture::Fixture,
    glob,
    report::{Format, human, live::Live, render},
    run,
};

/// Run the checks on a driver
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn-conformance run ./kdn-runtime-podman
  kdn-conformance run --only 'terminal/*' --fixture podman.json ./kdn-runtime-podman
  kdn-conformance run --report junit=report.xml --expected-failures known.txt ./kdn-runtime-podman")]
pub(super) struct Args {
    /// The driver's executable, named kdn-runtime-TYPE
    driver: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// Count warnings as failures
    #[arg(long)]
    strict: bool,
    /// What the driver and its backend need: a JSON file
    #[arg(long, value_name = "FILE")]
    fixture: Option<PathBuf>,
    /// Failures that are expected, a line each: CHECK DATE REASON
    #[arg(long, value_name = "FILE")]
    expected_failures: Option<PathBuf>,
    /// The form of the report on stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write a report to a file too, such as junit=report.xml; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    report: Vec<Sink>,
    /// Where the random walk begins [default: chosen anew, and told]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many checks run at once [default: twice the processors]
    #[arg(long, short, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
    /// How long to wait for an answer, in seconds; for a change, 60 times as long. Above 10, shorter limits grow with it
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    patience: Duration,
}

/// Which checks.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Only checks of these profiles [default: all]
    #[arg(long, value_name = "PROFILE", value_delimiter = ',', value_parser = profile)]
    profile: Vec<Profile>,
    /// Only checks whose id fits one of these patterns, with * and ?
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave out the checks that wait for deadlines or take long
    #[arg(long)]
    quick: bool,
}

impl Selection {
    /// The checks in question; none is an error.
    pub(super) fn checks(&self) -> Result<Vec<&'static Check>, Unusable> {
        let all = || {
            crate::checks().filter(|check| self.profile.is_empty() || self.profile.contains(&check.profile()))
        };
        if let Some(pattern) =
            self.only.iter().find(|pattern| !all().any(|check| glob::matches(pattern, check.id)))
        {
            let message = format!("no check fits {pattern:?}");
            return Err(Unusable::new(message, "List the checks with: kdn-conformance list"));
        }
        let fits = |check: &&Check| {
            self.only.is_empty() || self.only.iter().any(|pattern| glob::matches(pattern, check.id))
        };
        Ok(all().filter(fits).filter(|check| !(self.quick && check.slow)).collect())
    }
}

/// A file for a report.
#[derive(Debug, Clone)]
struct Sink {
    format: Format,
    path: PathBuf,
}

impl FromStr for Sink {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = text.split_once('=').ok_or("write it as FORMAT=FILE")?;
        let format = <Format as clap::ValueEnum>::from_str(format, false)?;
        Ok(Self { format, path: path.into() })
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    let names = Profile::ALL.map(Profile::name).join(", ");
    Profile::parse(name).ok_or_else(|| format!("the profiles are {names}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "a number of seconds above 0".into())
}

pub(super) fn run(args: &Args) -> Result<u8, Unusable> {
    let checks = args.selection.checks()?;
    let driver = executable(&args.driver)?;
    let fixture = match &args.fixture {
        Some(path) => Fixture::read(path)
            .map_err(|error| Unusable::new(error, "See conformance/README.md for its fields"))?,
        None => Fixture::default(),
    };
    let baseline = match &args.expected_failures {
        Some(path) => Baseline::read(path, |id| crate::checks().any(|check| check.id == id))
            .map_err(|error| Unusable::new(&error, error.hint()))?,
        None => Baseline::default(),
    };
    let interrupted = listen().map_err(|error| Unusable::new(error, ""))?;
    let seed = args.seed.unwrap_or_else(|| u64::from(crate::cx::random()));
    let options = run::Options {
        command: command(args),
        checks,
        profiles: args.selection.profile.clone(),
        quick: args.selection.quick,
        strict: args.strict,
        seed,
        jobs: args.jobs.map_or_else(default_jobs, NonZeroUsize::get),
        patience: args.patience,
        change_patience: args.patience * run::CHANGE,
        interrupted: Arc::clone(&interrupted),
        ..run::Options::new(
            driver,
            fixture,
            std::env::current_exe().map_err(|error| Unusable::new(error, ""))?,
        )
    };
    let today = baseline::today();
    let report = watch(&options, &baseline, args, today);
    if interrupted.load(Ordering::Relaxed) {
        return Err(Unusable::new("interrupted", "All that the checks made was removed"));
    }
    let judged = Judged::new(&report, &baseline, today);
    match args.format {
        Format::Human => anstream::print!("{}", human::end(&judged)),
        format => anstream::print!("{}", render(&judged, format)),
    }
    for Sink { format, path } in &args.report {
        write(path, &render(&judged, *format))?;
    }
    Ok(judged.exit_code())
}

/// Runs the checks while the user watches: on stdout, or on stderr where stdout is for a program.
fn watch(
    options: &run::Options,
    baseline: &Baseline,
    args: &Args,
    today: jiff::civil::Date,
) -> crate::outcome::Report {
    let stdout = args.format == Format::Human;
    let out: Box<dyn io::Write + Send> =
        if stdout { Box::new(anstream::stdout()) } else { Box::new(anstream::stderr()) };
    let is_terminal = if stdout { io::stdout().is_terminal() } else { io::stderr().is_terminal() };
    let width = is_terminal.then(width).flatten();
    let live = Mutex::new(Live::new(out, options.checks.len(), width));
    let report = run::run(options, &|event| {
        let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads it any more.
        let _ = match event {
            run::Event::Begun(check) => live.begin(check.id),
            run::Event::Done(verdict) => live.end(verdict, baseline.standing(verdict, options.strict, today)),
        };
    });
    let _ = live.lock().unwrap_or_else(PoisonError::into_inner).clear();
    report
}

fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

fn default_jobs() -> usize {
    2 * thread::available_parallelism().map_or(2, NonZeroUsize::get)
}

/// The driver's file, with an absolute path under which its name stays as it is.
fn executable(path: &Path) -> Result<PathBuf, Unusable> {
    let shown = path.display();
    let data = fs::metadata(path).map_err(|error| {
        Unusable::new(format!("can't test {shown}: {error}"), "Name the driver's executable")
    })?;
    let runs = rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if !data.is_file() || !runs {
        return Err(Unusable::new(
            format!("{shown} is not an executable file"),
            "Name the driver's executable",
        ));
    }
    let is_named =
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("kdn-runtime-"));
    if !is_named {
        let hint = "Name the file, or a link to it, kdn-runtime-TYPE: kdn finds drivers by that name";
        return Err(Unusable::new(format!("{shown} is not named kdn-runtime-TYPE"), hint));
    }
    std::path::absolute(path).map_err(|error| Unusable::new(format!("can't test {shown}: {error}"), ""))
}

/// What repeats this run, without what chooses the checks.
fn command(args: &Args) -> Vec<String> {
    let mut command = vec!["kdn-conformance".to_owned(), "run".into()];
    if let Some(fixture) = &args.fixture {
        command.extend(["--fixture".into(), fixture.display().to_string()]);
    }
    command.push(args.driver.display().to_string());
    command
}

#[expect(clippy::disallowed_methods, reason = "a report may be a pipe or a device, which can't be replaced")]
fn write(path: &Path, text: &str) -> Result<(), Unusable> {
    fs::write(path, text)
        .map_err(|error| Unusable::new(format!("can't write {}: {error}", path.display()), ""))
}

/// Takes notice when the user gives up. The second time ends the suite at once.
fn listen() -> io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(UNUSABLE),
            Arc::clone(&interrupted),
        )?;
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}
