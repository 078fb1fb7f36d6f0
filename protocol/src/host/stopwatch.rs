//! The time that somebody has had to do something.

use std::time::Duration;

use tokio::time::{Instant, sleep};

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
        let now = Instant::now();
        self.passed += (now - self.seen).min(2 * TICK);
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

    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_as_long_as_it_should_be() {
        let begin = Instant::now();
        let mut time = Stopwatch::start();
        assert_eq!(time.within(PATIENCE, pending::<()>()).await, None);
        assert_eq!(begin.elapsed(), PATIENCE);
        assert_eq!(time.elapsed(), PATIENCE);
        assert_eq!(time.within(PATIENCE, ready("done")).await, Some("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_stands_still_takes_two_ticks_at_most() {
        let stall = Duration::from_secs(3);
        let begin = Instant::now();
        let mut time = Stopwatch::start();
        let stalls = async {
            sleep(Duration::from_millis(30)).await;
            advance(stall).await;
            // This much at least is left to one who is waited for.
            sleep(TICK * 96).await;
        };
        assert_eq!(time.within(PATIENCE, stalls).await, Some(()));
        time.reach(PATIENCE).await;
        let took = begin.elapsed();
        assert!(stall + 98 * TICK <= took && took <= stall + PATIENCE, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_begun_anew_all_the_time_comes_to_its_end() {
        let mut time = Stopwatch::start();
        let mut short = 0;
        while time.elapsed() < PATIENCE {
            time.within(PATIENCE, sleep(Duration::from_millis(5))).await;
            short += 1;
        }
        assert!((399..=400).contains(&short), "{short}");
    }
}
