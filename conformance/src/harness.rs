//! The checks as tests of a driver's own crate, one test a check, for a test target with `harness = false`.

use std::{path::Path, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::{
    check::Check,
    fixture::Fixture,
    outcome::Outcome,
    probe,
    run::{self, Options},
};

/// The `main` of such a test target. It understands the arguments of `cargo test`, such as a part of a check's name;
/// the checks that wait for deadlines run with `--include-ignored`.
///
/// # Panics
///
/// When this executable can't be found.
pub fn main(driver: &Path, fixture: Fixture) -> ExitCode {
    // A copy of this executable is what runs inside an instance to try its network.
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = args.as_slice()
        && first == "probe"
    {
        return probe::main(rest);
    }
    let probe = std::env::current_exe().expect("the path of this executable");
    let options = Arc::new(Options { jobs: 1, ..Options::new(driver.to_owned(), fixture, probe) });
    let trial = |check: &'static Check| {
        let options = Arc::clone(&options);
        Trial::ignorable_test(check.id, move || try_one(check, &options)).with_ignored_flag(check.slow)
    };
    libtest_mimic::run(&Arguments::from_args(), crate::checks().map(trial).collect()).exit_code()
}

fn try_one(check: &'static Check, options: &Options) -> Result<Completion, Failed> {
    let options = Options { checks: vec![check], ..options.clone() };
    let mut report = run::run(&options, &|_| ());
    let verdict = report.verdicts.pop().ok_or("the check did not run")?;
    match verdict.outcome {
        Outcome::Passed | Outcome::Warned(_) => Ok(Completion::Completed),
        Outcome::Skipped(why) => Ok(Completion::ignored_with(why)),
        Outcome::Failed(why) => Err(format!("{why}\n{}", verdict.transcript.join("\n")).into()),
        Outcome::Broken(why) => Err(format!("the suite itself failed: {why}").into()),
    }
}
