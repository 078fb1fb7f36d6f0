//! The list of workspaces on disk: `instances.json` in the storage folder.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::{Error, Record, Result, record};
use crate::files;
use crate::output::json;

const FILE: &str = "instances.json";
/// Never deleted: a process that waits for a deleted lock file would share the lock with nobody.
const LOCK: &str = "instances.json.lock";

/// The list of workspaces on disk. Any number of processes may use one at the same time.
#[derive(Debug, Clone)]
pub struct Store {
    storage: PathBuf,
}

/// Proof that this process alone may change the list, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _lock: File,
}

impl Store {
    /// The list in this storage folder. Creates nothing.
    pub fn new(storage: impl Into<PathBuf>) -> Self {
        Self { storage: storage.into() }
    }

    /// The storage folder.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// Reads the list without a lock: it is replaced at once, so what is read is never half of a change.
    pub fn read(&self) -> Result<Vec<Record>> {
        let path = self.storage.join(FILE);
        let (bytes, modified) = match read(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let mut records = parse(&path, &bytes)?;
        // Entries that are older than the key: the same at each reading, until a change of anything stores it.
        for record in records.iter_mut().filter(|record| record.created_at == Record::ZERO_TIME) {
            record.created_at = modified;
        }
        Ok(records)
    }

    /// Changes the list under the lock. An error of `change` changes nothing.
    ///
    /// Keep `change` short, and start no process in it: every other kdn waits for it.
    pub fn update<T>(&self, change: impl FnOnce(&mut Vec<Record>) -> Result<T>) -> Result<T> {
        let _held = self.hold()?;
        let before = self.read()?;
        let mut records = before.clone();
        let result = change(&mut records)?;
        if records != before {
            let path = self.storage.join(FILE);
            files::write_atomic(&path, json::pretty(&records).as_bytes(), 0o600)
                .map_err(|source| Error::Write { path, source })?;
        }
        Ok(result)
    }

    /// Adds a workspace at the end of the list.
    pub fn add(&self, record: Record) -> Result<()> {
        self.update(|records| {
            records.push(record);
            Ok(())
        })
    }

    pub(super) fn hold(&self) -> Result<Held> {
        files::create_folder(&self.storage, 0o700)
            .map_err(|source| Error::Write { path: self.storage.clone(), source })?;
        let path = self.storage.join(LOCK);
        let lock = match files::open_lock(&path) {
            Ok(lock) => lock,
            Err(source) => return Err(Error::OpenLock { path, source }),
        };
        files::lock(&lock).map_err(|source| Error::Lock { path, source })?;
        Ok(Held { _lock: lock })
    }
}

/// Reads the entries at once, and one by one only to say what is wrong with which.
fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Record>> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    if let Ok(records) = serde_json::from_slice::<Vec<Record>>(bytes)
        && records.iter().all(|record| record.check().is_ok())
    {
        return Ok(records);
    }
    let entries: Option<Vec<Value>> =
        serde_json::from_slice(bytes).map_err(|source| Error::Parse { path: path.to_owned(), source })?;
    let entries = entries.unwrap_or_default().into_iter();
    let records = entries.enumerate().map(|(index, entry)| {
        let invalid = |problem| Error::InvalidRecord { path: path.to_owned(), position: index + 1, problem };
        record(entry).map_err(invalid)
    });
    records.collect()
}

fn record(entry: Value) -> Result<Record, String> {
    if let Some(misfit) = record::SHAPE.misfit(&entry) {
        return Err(misfit);
    }
    let record: Record = serde_json::from_value(entry).map_err(|error| error.to_string())?;
    record.check().map_err(str::to_owned)?;
    Ok(record)
}

/// What is in a file, and since when.
fn read(path: &Path) -> io::Result<(Vec<u8>, Timestamp)> {
    let mut file = File::open(path)?;
    let modified = file.metadata()?.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, modified.unwrap_or(Timestamp::UNIX_EPOCH)))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "sets the scene")]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::thread;

    use super::*;

    /// A file of an older version: local time, a zero start, `null`, and keys that are not known here.
    const OLD: &str = r#"[
  {
    "id": "aaaa",
    "name": "app",
    "paths": {
      "source": "/src/<app>",
      "configuration": "/src/<app>/.kaiden"
    },
    "runtime": {
      "type": "podman",
      "instance_id": "0123",
      "state": "paused",
      "info": null,
      "pod": "p1"
    },
    "project": "https://example.com/app/",
    "agent": "claude",
    "created_at": "2026-05-24T12:00:00.123456789+02:00",
    "started_at": "0001-01-01T00:00:00Z",
    "labels": {"b": 1, "a": [2]}
  },
  {
    "id": "bbbb", "name": "b", "paths": {"source": "/b", "configuration": "/b/.kaiden"},
    "runtime": {"type": "fake", "instance_id": "fake-001", "state": "running", "info": {"k": "v"}},
    "project": "/b", "agent": "goose", "model": "ollama::q",
    "created_at": "2026-05-24T10:00:00Z", "started_at": "2026-05-24T10:00:01.5Z"
  }
]"#;

    fn store(content: &str) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), content).unwrap();
        let store = Store::new(dir.path());
        (dir, store)
    }

    #[test]
    fn a_rewrite_keeps_what_it_does_not_know() {
        let (dir, store) = store(OLD);
        store
            .update(|records| {
                records[1].runtime.state = kdn_protocol::State::Stopped;
                records[1].started_at = None;
                Ok(())
            })
            .unwrap();
        insta::assert_snapshot!(fs::read_to_string(dir.path().join(FILE)).unwrap(), @r#"
        [
          {
            "id": "aaaa",
            "name": "app",
            "paths": {
              "source": "/src/\u003capp\u003e",
              "configuration": "/src/\u003capp\u003e/.kaiden"
            },
            "runtime": {
              "type": "podman",
              "instance_id": "0123",
              "state": "paused",
              "info": null,
              "pod": "p1"
            },
            "project": "https://example.com/app/",
            "agent": "claude",
            "created_at": "2026-05-24T10:00:00.123456789Z",
            "labels": {
              "a": [
                2
              ],
              "b": 1
            }
          },
          {
            "id": "bbbb",
            "name": "b",
            "paths": {
              "source": "/b",
              "configuration": "/b/.kaiden"
            },
            "runtime": {
              "type": "fake",
              "instance_id": "fake-001",
              "state": "stopped",
              "info": {
                "k": "v"
              }
            },
            "project": "/b",
            "agent": "goose",
            "model": "ollama::q",
            "created_at": "2026-05-24T10:00:00Z"
          }
        ]
        "#);
    }

    #[test]
    fn nothing_is_written_when_nothing_changes() {
        let (dir, store) = store(OLD);
        store.update(|records| Ok(records.len())).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), OLD);
    }

    #[test]
    fn an_error_changes_nothing() {
        let (dir, store) = store(OLD);
        let result = store.update(|records| {
            records.clear();
            Err::<(), _>(Error::NotFound("x".to_owned()))
        });
        assert!(matches!(result, Err(Error::NotFound(_))));
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), OLD);
    }

    #[test]
    fn reading_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("kdn"));
        assert_eq!(store.read().unwrap(), []);
        assert!(!store.storage().exists());
    }

    #[test]
    fn an_empty_file_is_an_empty_list() {
        for content in ["", " \n", "null", "[]"] {
            assert_eq!(store(content).1.read().unwrap(), [], "{content:?}");
        }
    }

    #[test]
    fn an_error_names_the_file() {
        for (content, problem) in [
            ("[{", "failed to parse "),
            (r#"[{"id":""#, "failed to parse "),
            ("{}", "failed to parse "),
            (r#"[{"id": "", "name": "x"}]"#, "invalid entry 1 in FILE: instance ID cannot be empty"),
            (r#"[{"id": "aa", "name": "x"}]"#, "invalid entry 1 in FILE: invalid path"),
            ("[[]]", "invalid entry 1 in FILE: it must be an object, not a list"),
            (
                r#"[{"id": "aa", "name": "x", "paths": ["/a", "/b"]}]"#,
                "invalid entry 1 in FILE: paths must be an object, not a list",
            ),
            (&OLD.replace("\"b\",", "\"\","), "invalid entry 2 in FILE: instance name cannot be empty"),
            (&OLD.replace("\"b\",", "1,"), "invalid entry 2 in FILE: name must be text, not 1"),
            (&OLD.replace("\"2026-05-24T10:00:00Z", "\"noon"), "invalid entry 2 in "),
        ] {
            let (dir, store) = store(content);
            let error = store.read().unwrap_err().to_string();
            let file = dir.path().join(FILE).display().to_string();
            assert!(error.replace(&file, "FILE").starts_with(problem), "{error}");
            assert!(error.contains(&file), "{error}");
            assert_eq!(store.update(|_| Ok(())).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_missing_time_of_creation_is_that_of_the_file_until_a_change_stores_it() {
        let (dir, store) = store(&OLD.replace("2026-05-24T10:00:00Z", "0001-01-01T00:00:00Z"));
        let time = "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap();
        File::options().append(true).open(dir.path().join(FILE)).unwrap().set_modified(time.into()).unwrap();
        assert_eq!(store.read().unwrap()[1].created_at, time);
        store
            .update(|records| {
                records.remove(0);
                Ok(())
            })
            .unwrap();
        assert_eq!(store.read().unwrap()[0].created_at, time);
    }

    #[test]
    fn what_an_entry_lacks_is_empty() {
        let paths = r#""paths": {"source": "/a", "configuration": "/a/.kaiden"}"#;
        let nulls = r#""runtime": null, "project": null, "model": null, "secrets": null, "created_at": null"#;
        for rest in ["", ", \"runtime\": {}", &format!(", {nulls}")] {
            let (_dir, store) = store(&format!(r#"[{{"id": "aa", "name": "a", {paths}{rest}}}]"#));
            let record = store.read().unwrap().remove(0);
            assert_eq!(record.runtime, record::Runtime::default(), "{rest}");
            assert_eq!(record.runtime.state.as_str(), "unknown");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, store) = store("");
        store.add(Record::sample("aaaa", "app")).unwrap();
        for file in [FILE, LOCK] {
            assert_eq!(
                fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o777,
                0o600,
                "{file}"
            );
        }
    }

    #[test]
    fn concurrent_updates_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let storage = dir.path().join("kdn");
        thread::scope(|scope| {
            for thread in 0..8 {
                let store = Store::new(&storage);
                scope.spawn(move || {
                    for n in 0..10 {
                        let record = Record::sample(&format!("{thread}-{n}"), "app");
                        store.add(record).unwrap();
                        assert!(store.read().unwrap().len() > n);
                    }
                });
            }
        });
        let ids: HashSet<String> = Store::new(&storage).read().unwrap().into_iter().map(|r| r.id).collect();
        assert_eq!(ids.len(), 80);
    }
}
