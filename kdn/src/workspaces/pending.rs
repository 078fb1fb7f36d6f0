//! Reservations: a workspace between the start of its creation and its place in the list.
//!
//! A reservation is a file `pending/<id>`, written before the driver is asked for anything, and the lock of the
//! workspace, held until the creation ends. A file whose lock nobody holds tells of a creation that was cut short.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::Held;
use super::{Error, Record, Result, Store, WorkspaceLock, id, name};
use crate::files;
use crate::output::json;

const FOLDER: &str = "pending";

/// What is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The id of the workspace.
    pub workspace_id: String,
    /// Its name, which no other workspace gets.
    pub name: String,
    /// The runtime that is asked to create it.
    pub runtime: String,
    /// When the creation began.
    pub time: Timestamp,
}

/// A reservation that this process holds: its own, or one of a process that is gone.
///
/// Dropped without [`commit`](Self::commit) or [`abandon`](Self::abandon) it stays on disk, for the next process
/// that cleans up.
#[derive(Debug)]
pub struct Pending {
    reservation: Reservation,
    path: PathBuf,
    store: Store,
    lock: WorkspaceLock,
}

impl Store {
    /// Reserves a workspace: cleans the name, makes it unique among the workspaces and the creations under way, and
    /// leaves a note on disk.
    pub fn reserve(&self, wanted_name: &str, workspace_id: &str, runtime: &str) -> Result<Pending> {
        id::check(workspace_id)?;
        let held = self.hold()?;
        let records = self.read()?;
        let mut taken: Vec<String> = records.into_iter().map(|record| record.name).collect();
        for other in self.reservations(&held)? {
            if WorkspaceLock::try_acquire(self.storage(), &other.workspace_id)?.is_none() {
                taken.push(other.name);
            }
        }
        let lock = WorkspaceLock::try_acquire(self.storage(), workspace_id)?
            .ok_or_else(|| Error::InUse(workspace_id.to_owned()))?;
        let reservation = Reservation {
            workspace_id: workspace_id.to_owned(),
            name: name::unique(&name::clean(wanted_name), |name| taken.iter().any(|other| other == name)),
            runtime: runtime.to_owned(),
            time: Timestamp::now(),
        };
        let folder = self.storage().join(FOLDER);
        let path = folder.join(workspace_id);
        files::create_folder(&folder, 0o700)
            .and_then(|()| files::write_atomic(&path, json::pretty(&reservation).as_bytes(), 0o600))
            .map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok(Pending { reservation, path, store: self.clone(), lock })
    }

    /// The reservations of processes that are gone; they are held by this one from now on.
    ///
    /// What such a process had asked its runtime for may exist: remove it there, then [`Pending::abandon`].
    pub fn stale_pending(&self) -> Result<Vec<Pending>> {
        let folder = self.storage().join(FOLDER);
        if fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none()) {
            return Ok(Vec::new());
        }
        let held = self.hold()?;
        let records = self.read()?;
        let mut stale = Vec::new();
        for reservation in self.reservations(&held)? {
            let Some(lock) = WorkspaceLock::try_acquire(self.storage(), &reservation.workspace_id)? else {
                continue;
            };
            let path = folder.join(&reservation.workspace_id);
            if records.iter().any(|record| record.id == reservation.workspace_id) {
                // Cut short between the two halves of the commit: the workspace is complete.
                files::remove(&path).map_err(|source| Error::Write { path, source })?;
            } else {
                stale.push(Pending { reservation, path, store: self.clone(), lock });
            }
        }
        Ok(stale)
    }

    /// All reservations. The lock of the list is needed: without it, a note may be there and its lock not yet.
    fn reservations(&self, _held: &Held) -> Result<Vec<Reservation>> {
        let folder = self.storage().join(FOLDER);
        let unreadable = |source| Error::Read { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            let named = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // Just committed or abandoned, or nothing that kdn wrote.
            let Ok(bytes) = fs::read(&path) else { continue };
            match serde_json::from_slice::<Reservation>(&bytes) {
                Ok(reservation) if reservation.workspace_id == named && id::check(named).is_ok() => {
                    found.push(reservation);
                }
                // kdn writes notes whole before it asks for anything, so this one, or a temporary file that a crash
                // left, stands for no creation.
                _ => files::remove(&path).map_err(|source| Error::Write { path, source })?,
            }
        }
        found.sort_by(|a, b| a.workspace_id.cmp(&b.workspace_id));
        Ok(found)
    }
}

impl Pending {
    /// What is reserved.
    pub fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// Puts the complete workspace on the list. The caller goes on holding its lock.
    pub fn commit(self, record: Record) -> Result<WorkspaceLock> {
        debug_assert_eq!(record.id, self.reservation.workspace_id);
        self.store.add(record)?;
        files::remove(&self.path).map_err(|source| Error::Write { path: self.path, source })?;
        Ok(self.lock)
    }

    /// Gives the reservation up: nothing is left of the workspace.
    pub fn abandon(self) -> Result<()> {
        files::remove(&self.path).map_err(|source| Error::Write { path: self.path, source })?;
        self.lock.remove()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("kdn"));
        (dir, store)
    }

    fn stale_names(store: &Store) -> Vec<String> {
        store.stale_pending().unwrap().iter().map(|pending| pending.reservation.name.clone()).collect()
    }

    #[test]
    fn a_race_gives_distinct_names() {
        let (_dir, store) = store();
        let names: HashSet<String> = thread::scope(|scope| {
            let reserve = |n: usize| {
                let store = &store;
                scope.spawn(move || store.reserve("My App", &format!("{n:04}"), "fake").unwrap())
            };
            let threads: Vec<_> = (0..20).map(reserve).collect();
            let pending: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            pending.iter().map(|pending| pending.reservation().name.clone()).collect()
        });
        let expected = std::iter::once("my-app".to_owned()).chain((2..=20).map(|n| format!("my-app-{n}")));
        assert_eq!(names, expected.collect());
    }

    #[test]
    fn what_is_held_is_not_stale_and_what_is_dropped_is() {
        let (_dir, store) = store();
        assert_eq!(stale_names(&store), [""; 0]);
        assert!(!store.storage().exists(), "looking creates nothing");
        let pending = store.reserve("app", "aaaa", "fake").unwrap();
        assert_eq!(stale_names(&store), [""; 0]);
        drop(pending);
        assert_eq!(stale_names(&store), ["app"]);
        let stale = store.stale_pending().unwrap();
        assert_eq!(stale[0].reservation().runtime, "fake");
        assert_eq!(stale_names(&store), [""; 0], "taken over");
    }

    #[test]
    fn a_stale_name_is_free() {
        let (_dir, store) = store();
        drop(store.reserve("app", "aaaa", "fake").unwrap());
        assert_eq!(store.reserve("app", "bbbb", "fake").unwrap().reservation().name, "app");
    }

    // SPEC: CREATE-11
    #[test]
    fn commit_lists_the_workspace_and_goes_on_holding_it() {
        let (_dir, store) = store();
        let pending = store.reserve("app", "aaaa", "fake").unwrap();
        let lock = pending.commit(Record::sample("aaaa", "app")).unwrap();
        assert_eq!(store.read().unwrap(), [Record::sample("aaaa", "app")]);
        assert!(WorkspaceLock::try_acquire(store.storage(), "aaaa").unwrap().is_none());
        drop(lock);
        assert_eq!(stale_names(&store), [""; 0]);
        assert_eq!(store.reserve("app", "bbbb", "fake").unwrap().reservation().name, "app-2");
    }

    #[test]
    fn abandoning_leaves_nothing() {
        let (_dir, store) = store();
        store.reserve("app", "aaaa", "fake").unwrap().abandon().unwrap();
        for folder in [FOLDER, "locks"] {
            assert_eq!(fs::read_dir(store.storage().join(folder)).unwrap().count(), 0, "{folder}");
        }
    }

    #[test]
    fn a_crash_between_the_halves_of_a_commit_leaves_a_workspace() {
        let (_dir, store) = store();
        drop(store.reserve("app", "aaaa", "fake").unwrap());
        store.add(Record::sample("aaaa", "app")).unwrap();
        assert_eq!(stale_names(&store), [""; 0]);
        assert_eq!(fs::read_dir(store.storage().join(FOLDER)).unwrap().count(), 0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "sets the scene")]
    fn rubbish_is_cleared_away() {
        let (_dir, store) = store();
        drop(store.reserve("app", "aaaa", "fake").unwrap());
        let folder = store.storage().join(FOLDER);
        fs::write(folder.join("bbbb"), "").unwrap();
        fs::write(folder.join(".cccc-x.tmp"), "{").unwrap();
        fs::copy(folder.join("aaaa"), folder.join("dddd")).unwrap();
        assert_eq!(stale_names(&store), ["app"]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
