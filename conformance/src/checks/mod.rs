//! The checks, a file for each profile or part of one.

mod cancellation;
mod capabilities;
mod core;
mod files;
mod limits;
mod mounts;
mod network;
mod security;
mod terminal;
mod watched;

use crate::check::Check;

/// All checks, in the order in which they are reported.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let files: [&'static [Check]; 9] = [
        core::CHECKS,
        terminal::CHECKS,
        cancellation::CHECKS,
        security::CHECKS,
        capabilities::CHECKS,
        network::CHECKS,
        limits::CHECKS,
        mounts::CHECKS,
        watched::CHECKS,
    ];
    let mut all: Vec<&'static Check> = files.into_iter().flatten().collect();
    all.sort_by_key(|check| check.profile());
    all.into_iter()
}

/// Whether a check also judges what others see.
pub(crate) fn is_watched(check: &Check) -> bool {
    watched::CHECKS.iter().any(|watched| watched.id == check.id)
}
