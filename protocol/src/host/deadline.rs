//! How long a host waits for an answer.

use std::time::Duration;

use crate::method::{Create, GetStatus, Method, Remove, Shutdown, Start, Stop, Type};

/// How long a host waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// How long without the answer or a notification about the request.
    pub idle: Duration,
    /// How long in all.
    pub cap: Duration,
    /// How long to go on waiting, after a cancellation, for the answer. Zero for methods that change nothing.
    pub roll_back: Duration,
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Deadline {
    /// For a method that reads.
    pub const fn read(within: Duration) -> Self {
        Self { idle: within, cap: within, roll_back: Duration::ZERO }
    }

    /// For the method of this name; `stop` still needs its [grace](Self::plus).
    pub fn of(method: &str) -> Self {
        match method {
            Type::NAME => Self::read(secs(2)),
            Create::NAME => Self { idle: secs(600), cap: secs(2 * 3600), roll_back: secs(10) },
            Start::NAME | Remove::NAME | Stop::NAME => {
                Self { idle: secs(120), cap: secs(15 * 60), roll_back: secs(10) }
            }
            GetStatus::NAME | Shutdown::NAME => Self::read(secs(5)),
            _ => Self::read(secs(10)),
        }
    }

    /// For `list` and `info` in a listing that shows the stored state when a driver is slow.
    pub const fn listing() -> Self {
        Self::read(secs(2))
    }

    /// The same with `more` to both times.
    #[must_use]
    pub fn plus(self, more: Duration) -> Self {
        Self { idle: self.idle + more, cap: self.cap + more, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method;

    // SPEC: DEAD-01
    #[test]
    fn each_method_has_the_time_of_the_specification() {
        for name in method::NAMES {
            let Deadline { idle, cap, roll_back } = Deadline::of(name);
            let (expected_idle, expected_cap) = match *name {
                "type" => (2, 2),
                "status" | "shutdown" => (5, 5),
                "create" => (600, 7200),
                "start" | "remove" | "stop" => (120, 900),
                _ => (10, 10),
            };
            assert_eq!((idle.as_secs(), cap.as_secs()), (expected_idle, expected_cap), "{name}");
            let is_change = matches!(*name, "create" | "start" | "stop" | "remove");
            assert_eq!(roll_back.as_secs(), if is_change { 10 } else { 0 }, "{name}");
        }
        assert_eq!(Deadline::listing(), Deadline::read(secs(2)));
        let graceful = Deadline::of("stop").plus(secs(7));
        assert_eq!((graceful.idle.as_secs(), graceful.cap.as_secs()), (127, 907));
    }
}
