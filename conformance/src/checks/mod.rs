//! The checks, a file for each profile or part of one.

mod by_hand;
mod endings;
mod framing;
mod gates;
mod manifest;
mod messages;
mod optional;
mod params;
mod session;
mod watched;
mod wire;

use crate::check::Check;

/// All checks, in the order in which they are reported.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let files: [&'static [Check]; 10] = [
        framing::CHECKS,
        messages::CHECKS,
        params::CHECKS,
        manifest::CHECKS,
        session::CHECKS,
        by_hand::CHECKS,
        endings::CHECKS,
        gates::CHECKS,
        optional::CHECKS,
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
