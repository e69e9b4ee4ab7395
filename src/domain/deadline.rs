//! The end of an attempt that may make many calls.

use std::time::Duration;

/// When an attempt must be over, on a clock that never goes back.
///
/// Its queue takes an attempt for crashed after `max_runtime`. So that a slow but healthy one is never
/// taken for that, its calls together get four fifths of this time; the rest is for what comes before
/// and after them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    end: Duration,
    time: Duration,
}

impl Deadline {
    /// How long an attempt may take.
    pub fn time(max_runtime: Duration) -> Duration {
        max_runtime / 5 * 4
    }

    /// The least `max_runtime` that gives an attempt `time`, in whole seconds.
    pub fn max_runtime(time: Duration) -> Duration {
        let exact = time.saturating_mul(5) / 4;
        Duration::from_secs(exact.as_secs().saturating_add(u64::from(exact.subsec_nanos() > 0)))
    }

    /// That of an attempt that begins `now`.
    pub fn of(now: Duration, max_runtime: Duration) -> Self {
        Self::within(now, Self::time(max_runtime))
    }

    /// That of an attempt that begins `now` and gets this much time.
    pub fn within(now: Duration, time: Duration) -> Self {
        Self { end: now.saturating_add(time), time }
    }

    /// How long the attempt may take from its beginning to its end.
    pub const fn total(self) -> Duration {
        self.time
    }

    /// What is left, in whole milliseconds; `None` once it is over.
    pub fn left(self, now: Duration) -> Option<Duration> {
        let left = u64::try_from(self.end.saturating_sub(now).as_millis()).unwrap_or(u64::MAX);
        (left > 0).then(|| Duration::from_millis(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_ends_well_before_it_is_taken_for_crashed() {
        let begun = Duration::from_secs(100);
        let deadline = Deadline::of(begun, Duration::from_mins(15));
        let left = |seconds| deadline.left(begun + Duration::from_secs(seconds));
        assert_eq!(left(0), Some(Duration::from_mins(12)));
        assert_eq!(left(719), Some(Duration::from_secs(1)));
        assert_eq!((left(720), left(100_000)), (None, None));
        let almost = begun + Duration::from_micros(719_999_100);
        assert_eq!(deadline.left(almost), None, "there is no call that short");
    }

    #[test]
    fn the_least_runtime_for_a_timeout_is_enough_and_no_more() {
        for millis in [1, 801, 10_000, 600_000, 24 * 3_600_000] {
            let timeout = Duration::from_millis(millis);
            let least = Deadline::max_runtime(timeout);
            assert!(Deadline::time(least) >= timeout, "{timeout:?}");
            let less = least.saturating_sub(Duration::from_secs(1));
            assert!(Deadline::time(less) < timeout, "{timeout:?}");
        }
    }
}
