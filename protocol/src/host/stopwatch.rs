//! The time that somebody has had to do something.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How often the time is looked at while it is waited for.
const TICK: Duration = Duration::from_millis(20);

/// Measures how long the machine has gone on. Where everything stood still for a while, so did whoever is waited for;
/// between two looks, of which there is one each tick, no more than two ticks pass.
#[derive(Debug)]
pub struct Stopwatch {
    seen: Instant,
    passed: Duration,
}

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Self {
        Self { seen: Instant::now(), passed: Duration::ZERO }
    }

    /// How long it has been.
    pub fn elapsed(&mut self) -> Duration {
        self.look(Instant::now())
    }

    fn look(&mut self, now: Instant) -> Duration {
        self.passed += now.saturating_duration_since(self.seen).min(2 * TICK);
        self.seen = now;
        self.passed
    }

    /// Waits until it has been as long as that.
    pub async fn reach(&mut self, time: Duration) {
        loop {
            let left = time.saturating_sub(self.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left.min(TICK)).await;
        }
    }

    /// What a future gives, unless it has been as long as that before.
    pub async fn within<T>(&mut self, time: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            value = future => Some(value),
            () = self.reach(time) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn what_is_looked_at_often_enough_is_counted_in_full() {
        let mut time = Stopwatch::start();
        let begin = time.seen;
        for tick in 1..=100 {
            assert_eq!(time.look(begin + tick * TICK), tick * TICK);
        }
    }

    #[test]
    fn a_machine_that_stands_still_takes_two_ticks_at_most() {
        let mut time = Stopwatch::start();
        let begin = time.seen;
        assert_eq!(time.look(begin + TICK), TICK);
        let stall = Duration::from_secs(3);
        assert_eq!(time.look(begin + TICK + stall), 3 * TICK);
        assert_eq!(time.look(begin + 2 * TICK + stall), 4 * TICK);
    }

    #[tokio::test]
    async fn a_wait_is_no_shorter_than_it_should_be() {
        let patience = 5 * TICK;
        let begin = Instant::now();
        let mut time = Stopwatch::start();
        assert_eq!(time.within(patience, pending::<()>()).await, None);
        assert!(begin.elapsed() >= patience);
        assert_eq!(time.within(patience, pending::<()>()).await, None, "it is over already");
        assert_eq!(time.within(patience, ready("done")).await, Some("done"));
    }
}
