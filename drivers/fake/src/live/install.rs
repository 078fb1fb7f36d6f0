//! What is installed at `create`: features, and the agent where it is not there already.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Stdio,
};

use kdn_protocol::{CommandFailure, Error, ErrorKind, Feature, Stream, Workspace, driver::Context};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::Command,
};

use super::{environment::Environment, members, process};
use crate::{agents, files, store::Place};

/// The longest piece of output that is passed on at once, in bytes.
const PIECE: u64 = 64 * 1024;
/// How much of stderr is kept, in bytes.
const TAIL: usize = 16 * 1024;

const SCRIPT: &str = "install.sh";

/// Runs what has to be run, as the user, and leaves no process behind.
pub(crate) async fn install(place: &Place, workspace: &Workspace, context: &Context) -> Result<(), Error> {
    let mut environment = Environment::new(place);
    for feature in &workspace.features {
        context.check()?;
        let id = feature.id.escape_debug();
        context.steps().start(format!("Installing feature {id}"), format!("Feature {id} installed"));
        install_feature(place, feature, environment.compose(), context).await?;
        environment.add_feature(feature);
    }
    let agent = &workspace.agent;
    if !agent.install.is_empty() && !agents::is_there(agent, &workspace.source_path) {
        context.check()?;
        let name = agent.name.escape_debug();
        context.steps().start(format!("Installing agent {name}"), format!("Agent {name} installed"));
        environment.add_workspace(workspace, &BTreeMap::new());
        for line in &agent.install {
            let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()];
            run(&argv, &place.home, environment.compose(), place, context).await?;
        }
    }
    Ok(())
}

async fn install_feature(
    place: &Place,
    feature: &Feature,
    mut env: BTreeMap<String, String>,
    context: &Context,
) -> Result<(), Error> {
    files::create_dir(&place.work)?;
    let copy = place.work.join("feature");
    let prepare = || -> io::Result<bool> {
        copy_dir(&feature.directory, &copy)?;
        let script = copy.join(SCRIPT);
        fs::set_permissions(&script, PermissionsExt::from_mode(0o700))?;
        Ok(fs::read(&script)?.starts_with(b"#!"))
    };
    let names_its_shell =
        prepare().map_err(|error| files::failed("copy feature", &feature.directory, &error))?;
    let script = copy.join(SCRIPT).display().to_string();
    let argv = if names_its_shell { vec![script] } else { vec!["/bin/sh".to_owned(), script] };
    env.extend(feature.options.clone());
    env.insert(members::MARK.into(), place.mark.clone());
    run(&argv, &copy, env, place, context).await?;
    files::remove_dir(&place.work)
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_dir(&from, &to)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(from)?, to)?;
        } else if kind.is_file() {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// Runs a command to its end, or until the request is cancelled.
async fn run(
    argv: &[String],
    cwd: &Path,
    env: BTreeMap<String, String>,
    place: &Place,
    context: &Context,
) -> Result<(), Error> {
    let failed = |exit_code: Option<i32>, why: String, stderr: String| {
        let command = CommandFailure::new(argv.to_vec(), exit_code, stderr);
        Error::new(ErrorKind::BackendFailed, format!("{:?} {why}", argv.join(" ")))
            .command(command)
            .hint("run kdn init with --show-logs to see the whole output")
    };
    let mut command: Command = process::command(&argv[0], cwd, env).into();
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|error| failed(None, format!("can't be run: {error}"), String::new()))?;
    let stdout = pass_on(child.stdout.take(), Stream::Stdout, context);
    let stderr = pass_on(child.stderr.take(), Stream::Stderr, context);
    let ended = async {
        let status = context.cancellation().run_until_cancelled(child.wait()).await;
        // What is left in the background would hold the output open, and belongs to nobody.
        members::kill(&place.mark)?;
        status.ok_or_else(Error::cancelled)?.map_err(Error::from)
    };
    let (status, _, stderr) = tokio::join!(ended, stdout, stderr);
    let status = status?;
    if status.success() {
        return Ok(());
    }
    Err(failed(status.code(), format!("failed: {status}"), stderr))
}

/// Passes output on as it comes; the last part of it in the end.
async fn pass_on(output: Option<impl AsyncRead + Unpin>, stream: Stream, context: &Context) -> String {
    let mut tail = Vec::new();
    let Some(output) = output else { return String::new() };
    let mut output = BufReader::new(output);
    loop {
        let mut piece = Vec::new();
        match (&mut output).take(PIECE).read_until(b'\n', &mut piece).await {
            Ok(read) if read > 0 => {
                context.log().write(stream, String::from_utf8_lossy(&piece));
                tail.extend(piece);
                tail.drain(..tail.len().saturating_sub(TAIL));
            }
            _ => return String::from_utf8_lossy(&tail).into_owned(),
        }
    }
}
