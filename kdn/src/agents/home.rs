//! The files that an agent's home begins with: the user's own, and what kdn changes in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::BASE64;
use kdn_protocol::FileEntry;
use serde_json::Value;

use super::Error;
use crate::document::{self, Document, Format};

/// The home of an agent before there is a workspace.
#[derive(Debug, Default)]
pub struct Home {
    files: BTreeMap<String, File>,
    environment: Vec<(String, String)>,
}

/// A file of the home.
#[derive(Debug)]
struct File {
    content: Content,
    mode: u32,
}

#[derive(Debug)]
enum Content {
    /// It is as this file of the host.
    Source(PathBuf),
    Text {
        text: String,
        source: Option<PathBuf>,
    },
}

/// The file of settings that an agent is changing.
pub(super) struct Settings<'a> {
    path: &'a str,
    file: PathBuf,
    document: Box<dyn Document>,
}

impl Home {
    /// Adds a file of the host; one of the same path makes way.
    pub(super) fn add(&mut self, path: String, source: PathBuf, is_executable: bool) {
        let mode = if is_executable { 0o700 } else { 0o600 };
        self.files.insert(path, File { content: Content::Source(source), mode });
    }

    /// Sets a variable of the environment, unless the user does.
    pub(super) fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Changes a file of settings, which need not be there yet.
    pub(super) fn edit(
        &mut self,
        path: &str,
        format: Format,
        change: impl FnOnce(&mut Settings<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (text, source) = match self.files.get(path).map(|file| &file.content) {
            None => (String::new(), None),
            Some(Content::Text { text, source }) => (text.clone(), source.clone()),
            Some(Content::Source(source)) => {
                let doing = "failed to read agent settings file";
                let read = std::fs::read(source);
                let bytes = read.map_err(|error| Error::Read { doing, path: source.clone(), error })?;
                let text = String::from_utf8(bytes).map_err(|_| Error::Parse {
                    path: path.to_owned(),
                    file: source.clone(),
                    problem: "it is not UTF-8".to_owned(),
                })?;
                (text, Some(source.clone()))
            }
        };
        let file = source.clone().unwrap_or_default();
        let document = document::parse(format, &text).map_err(|problem| Error::Parse {
            path: path.to_owned(),
            file: file.clone(),
            problem,
        })?;
        let mut settings = Settings { path, file, document };
        change(&mut settings)?;
        let content = Content::Text { text: settings.document.text(), source };
        let mode = self.files.get(path).map_or(0o600, |file| file.mode);
        self.files.insert(path.to_owned(), File { content, mode });
        Ok(())
    }

    /// The files as a driver gets them, and the variables.
    pub(super) fn into_parts(self) -> (Vec<FileEntry>, Vec<(String, String)>) {
        let entry = |(path, File { content, mode })| {
            let mut entry = match content {
                Content::Text { text, .. } => FileEntry::content(path, BASE64.encode(text.as_bytes())),
                Content::Source(source) => {
                    let mut entry = FileEntry::content(path, "");
                    entry.content_base64 = None;
                    entry.source = Some(source);
                    entry
                }
            };
            entry.mode = mode;
            entry
        };
        (self.files.into_iter().map(entry).collect(), self.environment)
    }
}

impl Settings<'_> {
    /// The value at the end of a path of keys.
    pub(super) fn get(&self, path: &[&str]) -> Option<Value> {
        self.document.get(path)
    }

    /// Puts a value at the end of a path of keys.
    pub(super) fn set(&mut self, path: &[&str], value: impl Into<Value>) -> Result<(), Error> {
        self.document.set(path, value.into()).map_err(|problem| Error::Parse {
            path: self.path.to_owned(),
            file: self.file.clone(),
            problem,
        })
    }

    /// The same, unless there is something.
    pub(super) fn set_default(&mut self, path: &[&str], value: impl Into<Value>) -> Result<(), Error> {
        if self.get(path).is_some() { Ok(()) } else { self.set(path, value) }
    }
}
