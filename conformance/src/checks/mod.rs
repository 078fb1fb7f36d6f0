//! The checks, a file for each profile or part of one.

mod cancellation;
mod concurrency;
mod core;
mod crash;
mod ends;
mod files;
mod idempotency;
mod instances;
mod life;
mod list;
mod refused;
mod steps;
mod terminal;
mod walk;
mod watched;
mod workspace;

use crate::check::Check;

/// All checks, in the order in which they are reported.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let files: [&'static [Check]; 14] = [
        cancellation::CHECKS,
        concurrency::CHECKS,
        core::CHECKS,
        crash::CHECKS,
        ends::CHECKS,
        idempotency::CHECKS,
        life::CHECKS,
        list::CHECKS,
        refused::CHECKS,
        steps::CHECKS,
        terminal::CHECKS,
        walk::CHECKS,
        watched::CHECKS,
        workspace::CHECKS,
    ];
    let mut all: Vec<&'static Check> = files.into_iter().flatten().collect();
    all.sort_by_key(|check| check.profile());
    all.into_iter()
}

/// Whether a check also judges what others see.
pub(crate) fn is_watched(check: &Check) -> bool {
    watched::CHECKS.iter().any(|watched| watched.id == check.id)
}
