//! The options of `create`, which make progress and cancellation visible.

use std::{collections::BTreeMap, time::Duration};

use kdn_protocol::{Error, Flag};

const STEP_DELAY: &str = "fake-step-delay";
const STEPS: &str = "fake-steps";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Options {
    /// How long each step of each change of the instance takes.
    pub(crate) step_delay: Duration,
    /// How many steps `create` takes beyond its own.
    pub(crate) steps: u64,
}

pub(crate) fn flags() -> Vec<Flag> {
    let flag = |name, usage| {
        let mut flag = Flag::new(name, usage);
        flag.default = Some("0".into());
        flag
    };
    vec![
        flag(STEP_DELAY, "Milliseconds that each step takes"),
        flag(STEPS, "Number of further steps, without delay, while the instance is created"),
    ]
}

impl Options {
    pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut parsed = Self::default();
        for (name, value) in options {
            let number = || {
                value.parse().map_err(|_| {
                    let message = format!("option {name:?} has the value {value:?}, which is not a number");
                    Error::invalid_workspace(format!("options.{name}"), message)
                })
            };
            match name.as_str() {
                STEP_DELAY => parsed.step_delay = Duration::from_millis(number()?),
                STEPS => parsed.steps = number()?,
                _ => {
                    let message = format!("option {name:?} is not known");
                    return Err(Error::invalid_workspace(format!("options.{name}"), message));
                }
            }
        }
        Ok(parsed)
    }
}
