//! Memory, processor and process limits: control groups where they can be written, less where they can't.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kdn_protocol::Limits;
use rustix::fs::{Access, access};
use rustix::process::{Pid, Resource, Rlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::file;

const MOUNT: &str = "/sys/fs/cgroup";
/// The time over which the use of processors is measured, in microseconds.
const PERIOD: f64 = 100_000.0;

/// A control group below which we may make our own, for one controller.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    folder: PathBuf,
    unified: bool,
}

/// What this machine lets the caller limit.
#[derive(Debug, Clone)]
pub struct Means {
    memory: Option<Place>,
    cpus: Option<Place>,
    pids: Option<Place>,
}

/// Limits that a process carries itself, where there is no control group for them.
#[derive(Debug, Clone, Default)]
pub struct Confinement {
    processes: Option<u64>,
    cpus: Option<CpuSet>,
}

/// The control groups of one sandbox.
#[derive(Debug, Default)]
pub struct Groups {
    pub folders: Vec<PathBuf>,
}

impl Means {
    /// Looks at the control groups that the caller is in.
    pub fn find() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let find = |controller: &str| unified(&own, controller).or_else(|| legacy(&own, controller));
        Self { memory: find("memory"), cpus: find("cpu"), pids: find("pids") }
    }

    /// Whether memory can be limited. Processes and processors always can: a process limit per user namespace and
    /// a fixed set of processors need no rights.
    pub fn memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Refuses what could not be enforced.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        let refuse = |message: &str| {
            let hint = "run under systemd with a delegated control group, run kdn as root, or drop the limit";
            Err(Error::new(ErrorKind::Unsupported, message).hint(hint))
        };
        if limits.memory_bytes.is_some() && self.memory.is_none() {
            return refuse(
                "memory can't be limited here: no control group of the memory controller is writable",
            );
        }
        if limits.cpus.is_some_and(|cpus| cpus < 1.0) && self.cpus.is_none() {
            return refuse(
                "less than one processor can't be had here: no control group of the cpu controller is writable",
            );
        }
        Ok(())
    }

    /// Makes the control groups called `name`, and says which limits are left for the processes themselves.
    pub fn apply(&self, limits: &Limits, name: &str) -> Result<(Groups, Confinement)> {
        self.check(limits)?;
        let mut groups = Groups::default();
        let mut confinement = Confinement::default();
        if let (Some(bytes), Some(place)) = (limits.memory_bytes, &self.memory) {
            let folder = groups.make(place, name)?;
            let (limit, swap) = if place.unified {
                ("memory.max", ("memory.swap.max", 0))
            } else {
                ("memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", bytes))
            };
            set(&folder, limit, &bytes.to_string())?;
            // Not every kernel accounts for swap.
            let _ = file::write(folder.join(swap.0), swap.1.to_string());
        }
        match (limits.cpus, &self.cpus) {
            (Some(cpus), Some(place)) => {
                let folder = groups.make(place, name)?;
                let quota = (cpus * PERIOD).max(1000.0).round();
                if place.unified {
                    set(&folder, "cpu.max", &format!("{quota} {PERIOD}"))?;
                } else {
                    set(&folder, "cpu.cfs_period_us", &PERIOD.to_string())?;
                    set(&folder, "cpu.cfs_quota_us", &quota.to_string())?;
                }
            }
            (Some(cpus), None) => confinement.cpus = Some(some_cpus(cpus, name)?),
            (None, _) => {}
        }
        match (limits.pids, &self.pids) {
            (Some(pids), Some(place)) => {
                let folder = groups.make(place, name)?;
                set(&folder, "pids.max", &pids.to_string())?;
            }
            (pids, _) => confinement.processes = pids,
        }
        Ok((groups, confinement))
    }
}

impl Groups {
    fn make(&mut self, place: &Place, name: &str) -> Result<PathBuf> {
        let folder = place.folder.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).doing(format_args!("make the control group {}", folder.display()));
            }
            _ => {}
        }
        if !self.folders.contains(&folder) {
            self.folders.push(folder.clone());
        }
        Ok(folder)
    }

    /// Moves a process into all groups.
    pub fn add(&self, pid: Pid) -> Result<()> {
        self.folders
            .iter()
            .try_for_each(|folder| set(folder, "cgroup.procs", &pid.as_raw_nonzero().to_string()))
    }

    /// Removes the groups; their processes must have ended.
    pub fn remove(&self) {
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Confinement {
    /// Whether programs inside must be kept from changing their own set of processors.
    pub fn pins_cpus(&self) -> bool {
        self.cpus.is_some()
    }

    /// Limits the calling process and its children to come.
    pub fn apply(&self) -> Result<()> {
        if let Some(processes) = self.processes {
            // Counted within the sandbox's own user namespace, not with the caller's other processes.
            let limit = Rlimit { current: Some(processes), maximum: Some(processes) };
            setrlimit(Resource::Nproc, limit).doing("limit the number of processes")?;
        }
        if let Some(cpus) = &self.cpus {
            sched_setaffinity(None, cpus).doing("limit the processors")?;
        }
        Ok(())
    }
}

fn set(folder: &Path, knob: &str, value: &str) -> Result<()> {
    let path = folder.join(knob);
    file::write(&path, value).doing(format_args!("write {value} to {}", path.display()))
}

/// As many whole processors as fit, beginning at one that depends on the name so that sandboxes spread.
fn some_cpus(cpus: f64, name: &str) -> Result<CpuSet> {
    let mine = sched_getaffinity(None).doing("read the processors")?;
    let available: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| mine.is_set(*cpu)).collect();
    let wanted =
        (1..=available.len()).take_while(|n| u32::try_from(*n).is_ok_and(|n| f64::from(n) <= cpus)).count();
    let first: usize = name.bytes().map(usize::from).sum();
    let mut set = CpuSet::new();
    available.iter().cycle().skip(first % available.len().max(1)).take(wanted).for_each(|cpu| set.set(*cpu));
    Ok(set)
}

/// The nearest group of the one hierarchy from which children inherit the controller, and that we may use.
fn unified(own: &str, controller: &str) -> Option<Place> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = [MOUNT, "/sys/fs/cgroup/unified"].map(PathBuf::from);
    let root = root.into_iter().find(|root| root.join("cgroup.controllers").exists())?;
    let own = root.join(path);
    own.ancestors()
        .take_while(|folder| folder.starts_with(&root))
        // A process may be moved only by who may write to the group that holds both its old and its new one.
        .filter(|folder| writable(folder) && writable(&folder.join("cgroup.procs")))
        .find(|folder| {
            let enabled = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
            enabled.split_ascii_whitespace().any(|enabled| enabled == controller)
        })
        .map(|folder| Place { folder: folder.to_owned(), unified: true })
}

/// The caller's own group in the hierarchy of a controller of the older kind.
fn legacy(own: &str, controller: &str) -> Option<Place> {
    let (controllers, path) = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then_some((controllers, path))
    })?;
    let roots = [controllers, controller].map(|name| Path::new(MOUNT).join(name));
    let root = roots.into_iter().find(|root| root.join("tasks").exists())?;
    // In a container, the path may be that of the host, which is not there.
    let folders = [root.join(path.trim_start_matches('/')), root];
    let folder = folders.into_iter().find(|folder| folder.exists())?;
    writable(&folder).then_some(Place { folder, unified: false })
}

fn writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}
