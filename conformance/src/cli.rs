//! The command line of the suite.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use clap::Parser;

use crate::{check::Profile, env, fixture::Fixture, outcome::Outcome, run};

#[derive(Debug, Parser)]
#[command(name = "kdn-conformance", version)]
struct Args {
    driver: PathBuf,
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    #[arg(long, value_delimiter = ',', value_parser = |name: &str| Profile::parse(name).ok_or("no such profile"))]
    profile: Vec<Profile>,
    #[arg(long)]
    quick: bool,
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    #[arg(long, default_value_t = 10.0)]
    patience: f64,
    #[arg(long)]
    fixture: Option<PathBuf>,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if given.first().is_some_and(|first| first == "probe") {
        return crate::probe::main(&given[1..]);
    }
    let args = Args::parse();
    let fixture = args.fixture.map_or_else(Fixture::default, |path| Fixture::read(&path).expect("fixture"));
    let options = run::Options {
        driver: args.driver.canonicalize().expect("driver"),
        profiles: args.profile,
        only: args.only,
        quick: args.quick,
        strict: false,
        seed: 1,
        jobs: args.jobs,
        patience: Duration::from_secs_f64(args.patience),
        env: env::for_drivers(&fixture),
        fixture,
        probe: std::env::current_exe().expect("own path"),
        command: Vec::new(),
        interrupted: Arc::new(AtomicBool::new(false)),
    };
    let report = run::run(&options, &|verdict| {
        let text = match &verdict.outcome {
            Outcome::Passed => "ok".to_owned(),
            other => format!("{other:?}"),
        };
        anstream::println!(
            "{:>6.0} ms  {:<40} {text}",
            verdict.elapsed.as_secs_f64() * 1000.0,
            verdict.check.id
        );
        if matches!(verdict.outcome, Outcome::Failed(_) | Outcome::Warned(_)) {
            for line in &verdict.transcript {
                anstream::println!("      {line}");
            }
        }
    });
    let failed =
        report.verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Failed(_))).count();
    anstream::println!("{} checks, {failed} failed, {:?}", report.verdicts.len(), report.elapsed);
    ExitCode::from(u8::from(failed > 0))
}
