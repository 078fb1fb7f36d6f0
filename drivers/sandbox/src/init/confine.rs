//! Gives up, for good and for every program inside, what the tree was built with.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::seccomp;
use crate::error::{Doing, Error, Result};
use crate::limits::Confinement;
use crate::plan::{Access, Entry};

/// The newest Landlock that this was written for; older kernels enforce what they know.
const LANDLOCK: ABI = ABI::V6;

pub(super) fn confine(entries: &[Entry], confinement: &Confinement) -> Result<()> {
    confinement.apply()?;
    set_no_new_privs(true).doing("forbid new privileges")?;
    landlock(entries)?;
    drop_capabilities()?;
    // From here on the agent, which has our user id, can neither trace us nor read our memory and descriptors.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("hide PID 1")?;
    seccomp::install(confinement.pins_cpus())
}

fn drop_capabilities() -> Result<()> {
    // The kernel answers EINVAL past the last capability that it knows.
    for bit in 0..64 {
        if remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)).is_err() {
            break;
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .doing("drop the capabilities")
}

/// A second fence behind the mounts: writes only where the tree allows them, and no way to the host's abstract
/// sockets and processes. It also forbids every further mount.
fn landlock(entries: &[Entry]) -> Result<()> {
    let all = AccessFs::from_all(LANDLOCK);
    let writable = entries.iter().filter_map(|entry| match entry {
        Entry::Bind { target, access: Access::ReadWrite, .. } => Some(target.as_str()),
        _ => None,
    });
    let mut rules = vec![rule("/", AccessFs::from_read(LANDLOCK))?];
    for path in writable.chain(["/dev", "/proc", "/tmp"]) {
        rules.push(rule(path, all)?);
    }
    let restrict = || -> Result<(), RulesetError> {
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .scope(Scope::AbstractUnixSocket | Scope::Signal)?
            .create()?;
        ruleset.add_rules(rules.into_iter().map(Ok::<_, RulesetError>))?.restrict_self()?;
        Ok(())
    };
    restrict().map_err(|error| Error::internal(format!("restrict file access: {error}")))
}

fn rule(path: &str, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>> {
    let fd = PathFd::new(path).map_err(|error| Error::internal(format!("restrict file access: {error}")))?;
    let access = if Path::new(path).is_dir() { access } else { access & AccessFs::from_file(LANDLOCK) };
    Ok(PathBeneath::new(fd, access))
}
