//! `kdn runtime test`

use std::{
    env::{consts::EXE_SUFFIX, current_exe, split_paths},
    path::{Path, PathBuf},
};

use kdn_protocol::Plan;

use crate::{commands::Context, env::Env, files, output::CommandError, process};

/// The suite could not be run. Its own code for that is the same; 1 says that it ran, and that the driver is wrong.
const NOT_RUN: u8 = 2;

/// Test whether a driver does what kdn expects of it
///
/// Runs the conformance suite, the executable kdn-conformance beside kdn or on PATH. The exit code is that of the
/// suite: 0 when the driver passes, 1 when it fails, 2 when the suite could not be run, 3 when an expected failure is
/// stale or expired.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn runtime test sandbox
  kdn runtime test ./kdn-runtime-mine
  kdn runtime test ./kdn-runtime-mine -- --quick --format tap")]
pub(crate) struct Args {
    /// Type of a runtime, or path of a driver
    #[arg(value_name = "TYPE|PATH")]
    driver: String,
    /// Options of the suite
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    test(args, context).await.map_err(|error| error.with_exit_code(NOT_RUN))
}

async fn test(args: Args, context: &Context) -> Result<u8, CommandError> {
    let driver = if is_path(&args.driver) {
        files::absolute(Path::new(&args.driver))?
    } else {
        context.manager().catalog.find(&args.driver)?.path
    };
    let driver = driver
        .to_str()
        .ok_or_else(|| CommandError::new(format!("path of the driver is not UTF-8: {}", driver.display())))?;
    let suite = suite(&context.env)?;
    let words = ["run", driver].map(str::to_owned).into_iter().chain(args.options);
    match process::run_plan(&suite, &Plan::own(words)).await {
        Ok(status) => Ok(process::exit_code(status)),
        Err(error) => Err(CommandError::from(error).context(format!("failed to run {}", suite.display()))),
    }
}

fn is_path(word: &str) -> bool {
    word.contains('/') || word.contains(std::path::MAIN_SEPARATOR) || Path::new(word).is_file()
}

/// The suite's executable: beside kdn's, else the first on `PATH`.
fn suite(env: &Env) -> Result<PathBuf, CommandError> {
    let own = current_exe().and_then(|path| path.canonicalize()).ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let path = env.path.as_deref().map(|path| split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    let folders = beside.into_iter().chain(path).filter(|folder| folder.is_absolute());
    let name = format!("kdn-conformance{EXE_SUFFIX}");
    folders.map(|folder| folder.join(&name)).find(|file| file.is_file()).ok_or_else(|| {
        CommandError::new("conformance suite not found: kdn-conformance")
            .with_hint("Put the executable kdn-conformance beside kdn, or on PATH")
    })
}
