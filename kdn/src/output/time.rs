//! Durations as people are shown them.

use jiff::Timestamp;

/// How long ago that was: `for 5s`, `for 12min`, `for 3:07h`.
pub fn duration(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match (seconds, seconds / 60, seconds / 3600) {
        (_, 0, _) => format!("for {seconds}s"),
        (_, minutes, 0) => format!("for {minutes}min"),
        (_, minutes, hours) => format!("for {hours}:{:02}h", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let start = Timestamp::constant(1_000_000, 0);
        let after = |seconds: i64| duration(start, Timestamp::from_second(1_000_000 + seconds).unwrap());
        assert_eq!(after(-5), "for 0s");
        assert_eq!(after(59), "for 59s");
        assert_eq!(after(60), "for 1min");
        assert_eq!(after(3599), "for 59min");
        assert_eq!(after(3600), "for 1:00h");
        assert_eq!(after(100 * 3600 + 7 * 60 + 59), "for 100:07h");
    }
}
