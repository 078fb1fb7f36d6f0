//! Verdicts, counted.

use std::{fmt::Write as _, ops::AddAssign};

use serde::Serialize;

use crate::{
    baseline::{Judged, Standing},
    check::Profile,
    outcome::Outcome,
};

/// How many verdicts count as what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tally {
    pub(super) checks: usize,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) warned: usize,
    pub(super) skipped: usize,
    pub(super) broken: usize,
    pub(super) expected: usize,
    pub(super) stale: usize,
    pub(super) expired: usize,
}

impl AddAssign<Standing<'_>> for Tally {
    fn add_assign(&mut self, standing: Standing<'_>) {
        self.checks += 1;
        *match standing {
            Standing::Passed => &mut self.passed,
            Standing::Failed => &mut self.failed,
            Standing::Warned => &mut self.warned,
            Standing::Skipped => &mut self.skipped,
            Standing::Broken => &mut self.broken,
            Standing::Expected(_) => &mut self.expected,
            Standing::Stale(_) => &mut self.stale,
            Standing::Expired(_) => &mut self.expired,
        } += 1;
    }
}

impl<'a> FromIterator<Standing<'a>> for Tally {
    fn from_iter<I: IntoIterator<Item = Standing<'a>>>(standings: I) -> Self {
        let mut tally = Self::default();
        standings.into_iter().for_each(|standing| tally += standing);
        tally
    }
}

impl Tally {
    pub(super) fn of(judged: &Judged) -> Self {
        judged.standings.iter().copied().collect()
    }

    /// The counts with their names, those of the problems only where there are some.
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let always = |name: &str| matches!(name, "passed" | "failed");
        [
            (self.passed, "passed"),
            (self.failed, "failed"),
            (self.expired, "expired"),
            (self.stale, "stale"),
            (self.broken, "broken"),
            (self.warned, "warned"),
            (self.expected, "expected to fail"),
            (self.skipped, "skipped"),
        ]
        .into_iter()
        .filter(move |(count, name)| *count > 0 || always(name))
    }

    /// `3 passed, 1 failed, 1 skipped`
    pub(super) fn sentence(&self) -> String {
        let mut text = String::new();
        for (count, name) in self.parts() {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{count} {name}");
        }
        text
    }
}

/// The profiles of the verdicts, in the order of all profiles, each with its verdicts counted.
pub(super) fn by_profile(judged: &Judged) -> Vec<(Profile, Tally)> {
    let of = |profile| {
        let standings = judged.verdicts().filter(|(verdict, _)| verdict.check.profile() == profile);
        (profile, standings.map(|(_, standing)| standing).collect::<Tally>())
    };
    Profile::ALL.into_iter().map(of).filter(|(_, tally)| tally.checks > 0).collect()
}

/// Why checks were skipped, and how many for each reason; the most frequent first.
pub(super) fn reasons<'a>(judged: &Judged<'a>) -> Vec<(&'a str, usize)> {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for (verdict, _) in judged.verdicts() {
        let Outcome::Skipped(why) = &verdict.outcome else { continue };
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons
}
