//! The checks, a file for each profile or part of one.

mod by_hand;
mod cancellation;
mod capabilities;
mod concurrency;
mod crash;
mod endings;
mod ends;
mod failed;
mod files;
mod framing;
mod gates;
mod home;
mod idempotency;
mod instances;
mod life;
mod limits;
mod list;
mod manifest;
mod messages;
mod mounts;
mod network;
mod optional;
mod params;
mod ports;
mod refused;
mod security;
mod session;
mod steps;
mod terminal;
mod walk;
mod watched;
mod wire;
mod workspace;

use crate::check::Check;

/// All checks, in the order in which they are reported.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let files: &[&'static [Check]] = &[
        framing::CHECKS,
        messages::CHECKS,
        params::CHECKS,
        manifest::CHECKS,
        session::CHECKS,
        by_hand::CHECKS,
        endings::CHECKS,
        gates::CHECKS,
        life::CHECKS,
        refused::CHECKS,
        failed::CHECKS,
        ends::CHECKS,
        list::CHECKS,
        idempotency::CHECKS,
        workspace::CHECKS,
        home::CHECKS,
        steps::CHECKS,
        terminal::CHECKS,
        cancellation::CHECKS,
        concurrency::CHECKS,
        crash::CHECKS,
        walk::CHECKS,
        security::CHECKS,
        optional::CHECKS,
        capabilities::CHECKS,
        ports::CHECKS,
        network::CHECKS,
        limits::CHECKS,
        mounts::CHECKS,
        watched::CHECKS,
    ];
    let mut all: Vec<&'static Check> = files.iter().copied().flatten().collect();
    all.sort_by_key(|check| check.profile());
    all.into_iter()
}

/// Whether a check also judges what others see.
pub(crate) fn is_watched(check: &Check) -> bool {
    watched::CHECKS.iter().any(|watched| watched.id == check.id)
}
