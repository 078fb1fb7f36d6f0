//! How long the suite waits, and how it counts the time.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::run::PATIENCE;

/// A limit of the protocol, or of the suite: it grows with a patience above the usual.
pub(crate) fn limit(limit: Duration, patience: Duration) -> Duration {
    limit.mul_f64((patience.as_secs_f64() / PATIENCE.as_secs_f64()).max(1.0))
}

/// What is left of the time of a wait.
#[derive(Debug)]
pub(crate) struct Left(Duration);

impl Left {
    pub(crate) const fn new(time: Duration) -> Self {
        Self(time)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_zero()
    }

    /// Pauses at most so long. No more than twice that time counts: while the machine stands still, what is waited for
    /// stands still too.
    pub(crate) fn pause<T>(&mut self, time: Duration, pause: impl FnOnce(Duration) -> T) -> T {
        let time = time.min(self.0);
        let began = Instant::now();
        let seen = pause(time);
        self.0 = self.0.saturating_sub(began.elapsed().min(time * 2));
        seen
    }
}

/// The longest pause between two looks, unless the first one is longer: some looks cost more than they wait.
const LONG_PAUSE: Duration = Duration::from_millis(50);

/// Looks until something is found, and once more when the time is over. The pauses between grow from this one on.
pub(crate) fn until<T>(within: Duration, pause: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let (mut pause, longest) = (pause, pause.max(LONG_PAUSE));
    let mut left = Left::new(within);
    loop {
        let is_last = left.is_over();
        let began = Instant::now();
        let found = look();
        if found.is_some() || is_last {
            return found;
        }
        left.0 = left.0.saturating_sub(began.elapsed());
        left.pause(pause, thread::sleep);
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_a_patience_above_the_usual() {
        let seconds = Duration::from_secs;
        for (patience, due) in [(1, 2), (10, 2), (30, 6)] {
            assert_eq!(limit(seconds(2), seconds(patience)), seconds(due), "with {patience} s");
        }
    }

    #[test]
    fn a_machine_that_stands_still_costs_one_pause() {
        let mut left = Left::new(Duration::from_secs(1));
        left.pause(Duration::from_millis(20), |_| thread::sleep(Duration::from_millis(300)));
        assert_eq!(left.0, Duration::from_millis(960));
    }

    #[test]
    fn the_last_look_is_after_the_time() {
        let mut looks = 0;
        let found = until(Duration::from_millis(1), Duration::from_millis(1), || {
            looks += 1;
            // The first look takes all the time that there is.
            thread::sleep(Duration::from_millis(5));
            (looks == 2).then_some(())
        });
        assert_eq!(found, Some(()));
    }

    #[test]
    fn what_never_comes_is_not_waited_for_longer() {
        assert_eq!(until(Duration::from_millis(20), Duration::from_millis(5), || None::<()>), None);
    }
}
