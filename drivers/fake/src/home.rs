//! Writing a workspace's files into the home of its instance.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Component, Path},
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use kdn_protocol::{
    Error, FileEntry, Stream,
    driver::{Context, Progress},
};

use crate::files;

/// Writes all files below `home`, which is new and empty.
pub(crate) async fn write(home: &Path, entries: &[FileEntry], context: &Context) -> Result<(), Error> {
    for (i, entry) in entries.iter().enumerate() {
        let mut file = create(home, entry).map_err(|error| {
            let message = format!("can't make file {:?}: {error}", entry.path);
            Error::invalid_workspace(format!("files[{i}].path"), message)
        })?;
        if let Some(text) = &entry.content_base64 {
            let bytes = BASE64.decode(text.as_bytes()).map_err(|error| {
                let message = format!("the content of file {:?} is not base64: {error}", entry.path);
                Error::invalid_workspace(format!("files[{i}].contentBase64"), message)
            })?;
            file.write_all(&bytes)?;
        }
        if let Some(source) = &entry.source {
            let source = open(source).map_err(|error| {
                let message = format!("can't copy {}: {error}", source.display());
                Error::invalid_workspace(format!("files[{i}].source"), message)
            })?;
            copy(source, &mut file, context).await?;
        }
        files::set_mode(&file, entry.mode)?;
        context.log().write(Stream::Stdout, format!("wrote {}\n", entry.path));
    }
    Ok(())
}

fn create(home: &Path, entry: &FileEntry) -> io::Result<File> {
    let path = Path::new(&entry.path);
    // What is a plain name on Unix can be a drive on Windows.
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not relative"));
    }
    let path = home.join(path);
    if let Some(parent) = path.parent() {
        files::create_dir(parent).map_err(|error| io::Error::other(error.message))?;
    }
    files::create_private(&path)
}

fn open(source: &Path) -> io::Result<File> {
    // Asked by name, since to open a named pipe would wait for its writer.
    if !source.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    File::open(source)
}

/// Copies in pieces, between which other requests run and this one can be cancelled.
async fn copy(mut from: File, to: &mut File, context: &Context) -> Result<(), Error> {
    let total = from.metadata()?.len();
    let mut buffer = vec![0; 1024 * 1024];
    let mut current = 0;
    let mut told = Instant::now();
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read])?;
        current += read as u64;
        if told.elapsed() >= Duration::from_millis(100) {
            told = Instant::now();
            context.steps().update(Progress {
                current: Some(current),
                total: Some(total.max(current)),
                unit: Some("bytes".into()),
                message: None,
            });
        }
        tokio::task::yield_now().await;
        context.check()?;
    }
}
