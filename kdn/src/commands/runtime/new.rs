//! `kdn runtime new`

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde::Serialize;

use super::starter::{self, File};
use crate::{
    commands::{Context, args::OutputArg},
    files,
    output::{CommandError, json, stream, text},
    runtimes::is_type,
};

/// Write a new driver
///
/// The driver is a starter: small, complete, and right by 'kdn runtime test'. Its workspaces are processes under your
/// own account, without isolation; what isolates them is yours to add.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn runtime new mine --language python
  kdn runtime new mine --language go ~/src/my-driver")]
pub(crate) struct Args {
    /// Type of the runtime, which names the driver kdn-runtime-TYPE
    #[arg(value_parser = parse_type)]
    r#type: String,
    /// Language to write it in
    #[arg(short, long)]
    language: Language,
    /// Folder to write it to, new or empty [default: kdn-runtime-TYPE]
    dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

/// A language that there is a starter in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Python,
    Typescript,
    Go,
    Sh,
    Rust,
}

fn parse_type(word: &str) -> Result<String, String> {
    if is_type(word) {
        return Ok(word.to_owned());
    }
    Err(format!("invalid type {word:?} (must begin with a-z, and hold at most 63 of a-z, 0-9 and -)"))
}

/// A new driver as scripts see it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Written<'a> {
    /// The folder that it was written to, absolute.
    path: &'a str,
    /// The type of its runtime.
    r#type: &'a str,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<u8, CommandError> {
    let Args { r#type: kind, language, dir, output } = args;
    let default = || PathBuf::from(format!("kdn-runtime-{kind}"));
    let dir = files::absolute(&dir.clone().unwrap_or_else(default))?;
    let starter = starter::of(*language);
    write(&dir, &starter.files(kind)).map_err(|error| error.context("failed to write a new driver"))?;
    let path = dir.to_string_lossy();
    if output.is_json() {
        stream::stdout(&json::pretty(&Written { path: &path, r#type: kind }))?;
    } else {
        stream::stdout(&format!("{}\n", text::line(&path)))?;
        stream::note(&starter.next_steps(kind, &path, &context.storage.join("drivers").to_string_lossy()));
    }
    Ok(0)
}

/// Writes all files, or none.
fn write(dir: &Path, starter: &[File]) -> Result<(), CommandError> {
    let doing = |error: io::Error| CommandError::from(error).context(dir.display());
    let is_new = match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            return Err(CommandError::new(format!("folder is not empty: {}", dir.display()))
                .with_hint("Give another folder, or remove what is in it"));
        }
        Ok(false) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(doing(error)),
    };
    files::create_folder(dir, 0o777).map_err(doing)?;
    let written = stage(dir, starter);
    if written.is_err() && is_new {
        let _ = fs::remove_dir(dir);
    }
    written.map_err(doing)
}

/// Writes all files beside their places, and moves them there when all are complete.
fn stage(dir: &Path, starter: &[File]) -> io::Result<()> {
    let stage = tempfile::Builder::new().prefix(".kdn-new-").tempdir_in(dir)?;
    for file in starter {
        let path = stage.path().join(&file.name);
        files::create_folder(path.parent().unwrap_or(dir), 0o777)?;
        files::write_atomic(&path, file.text.as_bytes(), if file.executable { 0o777 } else { 0o666 })?;
    }
    for entry in fs::read_dir(stage.path())? {
        let entry = entry?;
        fs::rename(entry.path(), dir.join(entry.file_name()))?;
    }
    files::sync_folder(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, executable: bool) -> File {
        File { name: name.to_owned(), text: "x".to_owned(), executable }
    }

    #[test]
    fn only_a_new_or_empty_folder_is_written_to() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        write(&dir, &[file("run", true), file("src/lib", false)]).unwrap();
        assert!(dir.join("run").is_file() && dir.join("src/lib").is_file());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else stays");
        let error = write(&dir, &[file("run", true)]).unwrap_err();
        assert_eq!(error.message(), format!("folder is not empty: {}", dir.display()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o100;
            assert_eq!((mode("run"), mode("src/lib")), (0o100, 0));
        }
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("new");
        write(&dir, &[file("run", true), file("run/inside", false)]).unwrap_err();
        assert!(!dir.exists());
        write(root.path(), &[file("run", true), file("run/inside", false)]).unwrap_err();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn every_starter_is_named_as_its_type_and_has_one_way_in() {
        for language in Language::value_variants() {
            let starter = starter::of(*language);
            let files = starter.files("mine");
            assert!(files.iter().any(|file| file.name == "README.md"), "{language:?}");
            for file in &files {
                assert!(!file.text.contains("kdn-runtime-starter"), "{language:?}: {}", file.name);
            }
            assert!(files.iter().filter(|file| file.executable).count() <= 1, "{language:?}");
        }
    }
}
