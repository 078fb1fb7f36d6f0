//! What instances are: on disk a folder each, and processes that have that folder in their environment.

use std::{
    collections::{BTreeMap, HashSet},
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use kdn_protocol::{Error, ErrorKind, Instance, State};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::Starter;

/// What a file holds of an instance.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) instance: Instance,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) unfinished: bool,
}

/// Instances on disk: a folder each, with the file `instance` and the folder `home`. Its name is the id, which begins
/// with that of the workspace, to be known even if the file is not.
impl Starter {
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.0.join(id)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|id| is_id(id)).collect()
    }

    /// Under another name first, so that nobody reads half of it (CONC-06).
    pub(crate) fn save(&self, saved: Saved) -> Result<Instance, Error> {
        let file = self.folder(&saved.instance.id).join("instance");
        let text = serde_json::to_vec(&saved).map_err(|error| Error::internal(error.to_string()))?;
        fs::write(file.with_extension("new"), text)?;
        fs::rename(file.with_extension("new"), file)?;
        Ok(saved.instance)
    }

    /// `None` where there is no folder. What can't be read or is cut short is an `error` (LIST-05, LIST-06).
    pub(crate) fn read(&self, id: &str) -> Option<Saved> {
        if !is_id(id) || !self.folder(id).exists() {
            return None;
        }
        let text = fs::read(self.folder(id).join("instance")).unwrap_or_default();
        let broken = Instance::new(id, &id[..64], id, State::Error);
        let unread = Saved { instance: broken, environment: BTreeMap::new(), unfinished: true };
        let mut saved = serde_json::from_slice(&text)
            .ok()
            .filter(|saved: &Saved| saved.instance.id == id)
            .unwrap_or(unread);
        if saved.unfinished {
            saved.instance.state = State::Error;
            saved.instance.reason = Some("it is damaged, or was cut short".into());
        }
        Some(saved)
    }

    /// Reads an instance without waiting for changes (CONC-02). What is cut short comes or goes while it is locked.
    pub(crate) fn look(&self, id: &str) -> Result<Option<Instance>, Error> {
        let mut saved = self.read(id);
        if saved.as_ref().is_some_and(|saved| saved.unfinished) {
            let all = File::open(&self.0)?;
            all.lock()?; // or else `create` might be about to lock what it has made
            saved = try_lock(&self.folder(id)).and_then(|_own| self.read(id));
        }
        Ok(saved.map(|saved| saved.instance))
    }

    /// An instance that is whole, and the sole right to change it (CONC-03).
    pub(crate) fn change(&self, id: &str) -> Result<(Saved, File), Error> {
        self.read(id).ok_or_else(|| Error::instance_not_found(id))?;
        let own = try_lock(&self.folder(id)).ok_or_else(|| busy(id))?;
        let saved = self.read(id).ok_or_else(|| Error::instance_not_found(id))?;
        if saved.unfinished {
            return Err(Error::new(
                ErrorKind::InvalidState,
                "the instance is broken, and can only be removed",
            ));
        }
        Ok((saved, own))
    }

    /// Ends what runs, and removes all files.
    pub(crate) async fn discard(&self, id: &str) -> Result<(), Error> {
        self.end(id, Duration::ZERO).await;
        Ok(remove_all(&self.folder(id))?)
    }
}

/// Processes: those of an instance have its folder in their environment.
impl Starter {
    pub(crate) fn mark(&self, id: &str) -> String {
        self.folder(id).display().to_string()
    }

    pub(crate) fn environment(&self, saved: &Saved) -> BTreeMap<String, String> {
        let is_passed = |name: &str| {
            matches!(name, "TERM" | "COLORTERM" | "NO_COLOR" | "LANG" | "TZ") || name.starts_with("LC_") // TERM-16
        };
        let own = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut all: BTreeMap<_, _> = own.filter(|(name, _)| is_passed(name)).collect();
        let home = self.folder(&saved.instance.id).join("home").display().to_string();
        let path = env::var("PATH").unwrap_or_default();
        all.insert("PATH".into(), format!("{home}/.local/bin:{path}"));
        all.extend(saved.environment.clone());
        all.insert("HOME".into(), home);
        all.insert("KDN_INSTANCE".into(), self.mark(&saved.instance.id));
        all
    }

    fn processes(&self, id: &str) -> Vec<Pid> {
        let mark = format!("KDN_INSTANCE={}", self.mark(id));
        let is_marked = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default(); // empty, if it has ended
            environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_marked).filter_map(Pid::from_raw).collect()
    }

    /// Asks all processes of an instance to end, and kills them after the grace (STOP-01, STOP-03).
    pub(crate) async fn end(&self, id: &str, grace: Duration) {
        let (began, mut asked) = (Instant::now(), HashSet::new());
        loop {
            let pids = self.processes(id);
            if pids.is_empty() {
                return;
            }
            for pid in pids {
                if began.elapsed() >= grace {
                    let _ = kill_process(pid, Signal::KILL); // it may have ended by now
                } else if asked.insert(pid) {
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Locks a folder, unless somebody else does. The kernel frees it when its process ends, in any way (LIFE-33).
pub(crate) fn try_lock(folder: &Path) -> Option<File> {
    let own = File::open(folder).ok()?;
    own.try_lock().ok().map(|()| own)
}

fn remove_all(folder: &Path) -> io::Result<()> {
    let _ = fs::remove_file(folder.join("instance")); // first, so that it counts as cut short until all is gone
    Command::new("chmod").args(["-R", "u+rwX"]).arg(folder).status()?; // some installers leave folders that can't be emptied
    fs::remove_dir_all(folder)
}

fn is_id(id: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    id.split_once('-').is_some_and(|(workspace, unique)| {
        workspace.len() == 64 && unique.len() == 8 && hex(workspace) && hex(unique)
    })
}

pub(crate) fn busy(id: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("another change of instance {id:?} is under way"))
}
