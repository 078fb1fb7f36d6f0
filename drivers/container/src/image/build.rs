//! Getting a base image, and building on it.

use kdn_protocol::Stream;
use kdn_protocol::driver::{Context, Progress};

use super::{BuildFolder, DIGEST, Prepared, Recipe};
use crate::engine::Engine;
use crate::error::{Doing, Error, ErrorKind, Result};

/// The id of the base image, which is pulled if it is not there.
pub(super) async fn base(
    engine: &Engine,
    name: &str,
    folder: &BuildFolder,
    context: &Context,
) -> Result<String> {
    let id =
        || engine.ask("failed to look for the base image", ["image", "inspect", "--format", "{{.Id}}", name]);
    match id().await {
        Ok(id) => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
        Err(_) => {}
    }
    context.steps().start(format!("Pulling base image: {name}"), "Base image pulled");
    let log = context.log().clone();
    let mut sink = |stream: Stream, line: &str| log.write(stream, line);
    let doing = format!("failed to pull the base image {name}");
    engine.pull(&doing, name, &folder.scratch()?, context, &mut sink).await?;
    Ok(id().await?.trim().to_owned())
}

/// The id of the image with this name, if it was built to its end.
pub(super) async fn find(engine: &Engine, name: &str) -> Option<String> {
    let args = ["image", "inspect", "--format", "{{.Id}}", name].map(str::to_owned);
    engine.ask("failed to look for the image", args).await.ok().map(|id| id.trim().to_owned())
}

/// Builds the image; returns its id.
pub(super) async fn build(
    engine: &Engine,
    recipe: &Recipe,
    prepared: &Prepared,
    tag: &str,
    context: &Context,
) -> Result<String> {
    let text = |path: std::path::PathBuf| {
        path.into_os_string()
            .into_string()
            .map_err(|path| Error::internal(format!("{} is not UTF-8", path.display())))
    };
    let folder = prepared.folder.context()?;
    let mut args: Vec<String> = vec!["build".into(), "--force-rm".into()];
    for (name, value) in [("UID", recipe.uid), ("GID", recipe.gid)] {
        args.extend(["--build-arg".into(), format!("{name}={value}")]);
    }
    args.extend([
        "--label".into(),
        format!("{DIGEST}={}", prepared.digest),
        "-t".into(),
        prepared.name(),
        "-t".into(),
        tag.into(),
    ]);
    args.extend(["-f".into(), text(folder.join("Containerfile"))?, text(folder)?]);
    let (log, steps) = (context.log().clone(), context.steps());
    let mut sink = |stream: Stream, line: &str| {
        if let Some(progress) = progress(line) {
            steps.update(progress);
        }
        log.write(stream, line);
    };
    let doing = format!("failed to build {} image", engine.table().name);
    engine.work(&doing, args, &(engine.table().ends_build)(), context, &mut sink).await.map_err(|error| {
        match error.kind() {
            ErrorKind::BackendFailed => {
                error.hint("run kdn init with --show-logs to see the whole output of the build")
            }
            _ => error,
        }
    })?;
    find(engine, &prepared.name())
        .await
        .ok_or_else(|| Error::internal("the image that was built is not there"))
        .doing(doing)
}

/// How far a build is, from a line like `STEP 3/9: RUN ...`, `Step 3/9 : RUN ...` or `#7 [3/9] RUN ...`.
fn progress(line: &str) -> Option<Progress> {
    let rest = match line.strip_prefix('#') {
        Some(rest) => rest
            .split_once(" [")
            .map(|(_, rest)| rest.strip_prefix("stage-0 ").unwrap_or(rest).trim_start())?,
        None => line.strip_prefix("STEP ").or_else(|| line.strip_prefix("Step "))?,
    };
    let (current, rest) = rest.split_once('/')?;
    let (total, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
    let message = rest.trim_start_matches([':', ' ', ']']).trim_end().to_owned();
    Some(Progress {
        current: Some(current.trim().parse::<u64>().ok()?.saturating_sub(1)),
        total: Some(total.parse().ok()?),
        message: Some(message),
        ..Progress::default()
    })
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn all_builders_tell_how_far_they_are() {
        for line in [
            "STEP 3/9: RUN true\n",
            "Step 3/9 : RUN true\n",
            "#7 [3/9] RUN true\n",
            "#7 [stage-0 3/9] RUN true",
        ] {
            let told = progress(line).unwrap();
            assert_eq!(
                (told.current, told.total, told.message.as_deref()),
                (Some(2), Some(9), Some("RUN true")),
                "{line}"
            );
        }
        assert_eq!(progress("--> Using cache 6ffc"), None);
        assert_eq!(progress("#7 0.5 Get:1 http://deb.debian.org/debian"), None);
    }
}
