//! A random walk over the methods, compared step by step with a model of what a driver keeps. A walk that goes wrong
//! is made as short as it can be while it still does.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::instances::{all, of_workspace, with};
use crate::{
    check::Check,
    client::Driver,
    cx::{Cx, id_of, of, random_id, start},
    stop::{Stop, ensure, fail},
};

/// How many calls a walk makes.
const CALLS: usize = 60;
/// Between how many workspaces it goes to and fro.
const WORKSPACES: usize = 3;
/// How long a walk that went wrong is tried in shorter forms.
const SHRINKING: Duration = Duration::from_secs(20);

pub(super) const CHECKS: &[Check] = &[Check::new(
    "robustness/random-walk",
    "any order of calls does what the calls say",
    &["IDEM-01", "IDEM-02", "IDEM-03", "IDEM-04", "IDEM-05", "IDEM-06", "REMOVE-01", "LIST-01", "LIST-02"],
    random_walk,
)
.slow()];

fn random_walk(cx: &mut Cx) -> Result<(), Stop> {
    let seed = cx.suite.seed;
    let walk = Call::several(seed);
    let mut wrong = match play(cx, &walk) {
        Err(Stop::Failed(wrong)) => wrong,
        other => return other,
    };
    let shortest = shrink(walk, |shorter| match play(cx, shorter) {
        Err(Stop::Failed(other)) => {
            wrong = other;
            true
        }
        _ => false,
    });
    let calls: Vec<_> = shortest.iter().map(ToString::to_string).collect();
    fail!("{wrong}; the shortest walk of seed {seed} that goes wrong: {}", calls.join(", "))
}

/// One call, or something else that happens to a driver. The number is that of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Create(usize),
    /// With the name of this workspace, and another id.
    TakeName(usize),
    Start(usize),
    Stop(usize),
    Remove(usize),
    Info(usize),
    List,
    ListOf(usize),
    /// A new process of the driver.
    Restart,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |at: &usize| char::from(b"abc"[at % WORKSPACES]);
        match self {
            Self::Create(at) => write!(f, "create {}", letter(at)),
            Self::TakeName(at) => write!(f, "create another with the name of {}", letter(at)),
            Self::Start(at) => write!(f, "start {}", letter(at)),
            Self::Stop(at) => write!(f, "stop {}", letter(at)),
            Self::Remove(at) => write!(f, "remove {}", letter(at)),
            Self::Info(at) => write!(f, "info {}", letter(at)),
            Self::List => f.write_str("list"),
            Self::ListOf(at) => write!(f, "list {}", letter(at)),
            Self::Restart => f.write_str("restart the driver"),
        }
    }
}

impl Call {
    /// The calls of the walk with this seed.
    fn several(seed: u64) -> Vec<Self> {
        let mut dice = Dice(seed);
        (0..CALLS).map(|_| Self::thrown(&mut dice)).collect()
    }

    fn thrown(dice: &mut Dice) -> Self {
        let at = dice.below(WORKSPACES);
        match dice.below(20) {
            0..=4 => Self::Create(at),
            5 => Self::TakeName(at),
            6..=8 => Self::Start(at),
            9..=11 => Self::Stop(at),
            12..=14 => Self::Remove(at),
            15 | 16 => Self::Info(at),
            17 => Self::List,
            18 => Self::ListOf(at),
            _ => Self::Restart,
        }
    }
}

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap_or_default()
    }
}

/// What the driver should know of a workspace.
struct Model {
    params: Value,
    /// The id of its instance, or of the last one that it had.
    id: String,
    state: Option<&'static str>,
}

/// Plays a walk on an empty storage folder.
fn play(cx: &mut Cx, walk: &[Call]) -> Result<(), Stop> {
    let storage = cx.other_storage();
    let mut driver = cx.open_in(&storage)?;
    let models =
        (0..WORKSPACES).map(|at| Model { params: cx.workspace(), id: format!("unknown-{at}"), state: None });
    let mut models: Vec<Model> = models.collect();
    for call in walk {
        let result = match call {
            Call::Restart => {
                driver.shutdown()?;
                driver = cx.open_in(&storage)?;
                Ok(())
            }
            _ => step(&mut driver, &mut models, *call),
        };
        result.map_err(|stop| match stop {
            Stop::Failed(seen) => Stop::Failed(format!("{call}: {seen}")),
            other => other,
        })?;
    }
    driver.shutdown()
}

/// Makes one call, and compares what comes of it with the model.
fn step(driver: &mut Driver, models: &mut [Model], call: Call) -> Result<(), Stop> {
    match call {
        Call::Create(at) => {
            let model = &mut models[at];
            let instance = driver.ok("create", &model.params)?;
            if model.state.is_none() {
                (model.id, model.state) = (id_of(&instance), Some("stopped"));
            }
            model.fits(&instance)
        }
        Call::TakeName(at) if models[at].state.is_some() => {
            let other = with(models[at].params.clone(), "workspaceId", json!(random_id()));
            driver.refused("create", &other, "already_exists").map(drop)
        }
        Call::TakeName(_) | Call::Restart => Ok(()),
        Call::Start(at) => models[at].change(driver, "start", &start(&models[at].id), "running"),
        Call::Stop(at) => {
            let params = super::instances::stop(&models[at].id);
            models[at].change(driver, "stop", &params, "stopped")
        }
        Call::Remove(at) if models[at].state == Some("running") => {
            driver.refused("remove", &of(&models[at].id), "invalid_state").map(drop)
        }
        Call::Remove(at) => {
            models[at].state = None;
            driver.ok("remove", &of(&models[at].id)).map(drop)
        }
        Call::Info(at) => {
            let state = models[at].state.unwrap_or_default();
            models[at].change(driver, "info", &of(&models[at].id), state)
        }
        Call::List => {
            let listed = all(driver)?;
            let due: Vec<_> = models.iter().filter(|model| model.state.is_some()).collect();
            ensure!(
                listed.len() == due.len(),
                "{} instances are listed, and not {}",
                listed.len(),
                due.len()
            );
            due.into_iter().try_for_each(|model| model.is_in(&listed))
        }
        Call::ListOf(at) => {
            let (model, listed) = (&models[at], of_workspace(driver, &models[at].params)?);
            let due = usize::from(model.state.is_some());
            ensure!(listed.len() == due, "{} instances are listed, and not {due}", listed.len());
            if due == 1 { model.is_in(&listed) } else { Ok(()) }
        }
    }
}

impl Model {
    /// Calls a method that ends in this state, or finds no instance.
    fn change(
        &mut self,
        driver: &mut Driver,
        method: &str,
        params: &Value,
        to: &'static str,
    ) -> Result<(), Stop> {
        if self.state.is_none() {
            return driver.refused(method, params, "instance_not_found").map(drop);
        }
        self.state = Some(to);
        let instance = driver.ok(method, params)?;
        self.fits(&instance)
    }

    fn is_in(&self, listed: &[Value]) -> Result<(), Stop> {
        match listed.iter().find(|instance| instance["id"] == self.id.as_str()) {
            Some(instance) => self.fits(instance),
            None => fail!("the instance {:?} is not listed", self.id),
        }
    }

    fn fits(&self, instance: &Value) -> Result<(), Stop> {
        let (is, due) = (
            json!([instance["id"], instance["workspaceId"], instance["name"], instance["state"]]),
            json!([self.id, self.params["workspaceId"], self.params["name"], self.state]),
        );
        ensure!(is == due, "the id, workspaceId, name and state are {is}, and not {due}");
        Ok(())
    }
}

/// Leaves out ever smaller parts of what fails, as long as the rest fails, too.
fn shrink(mut calls: Vec<Call>, mut fails: impl FnMut(&[Call]) -> bool) -> Vec<Call> {
    let started = Instant::now();
    let mut part = calls.len().div_ceil(2);
    while part > 0 && started.elapsed() < SHRINKING {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < calls.len() && started.elapsed() < SHRINKING {
            let mut shorter = calls.clone();
            shorter.drain(at..calls.len().min(at + part));
            if fails(&shorter) {
                calls = shorter;
                has_shrunk = true;
            } else {
                at += part;
            }
        }
        if !has_shrunk || part > 1 {
            part /= 2;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_shrinks_to_what_makes_it_fail() {
        let needs = |walk: &[Call]| {
            let created = walk.iter().position(|call| *call == Call::Create(1));
            let removed = walk.iter().rposition(|call| *call == Call::Remove(1));
            matches!((created, removed), (Some(created), Some(removed)) if created < removed)
        };
        let walk = (0..1000).map(Call::several).find(|walk| needs(walk)).unwrap();
        assert_eq!(shrink(walk, needs), [Call::Create(1), Call::Remove(1)]);
    }
}
