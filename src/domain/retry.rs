//! When to try again: how long to wait after an attempt that failed, and for how long at most.

use std::time::Duration;

use super::Timestamp;

/// The longest single delay; a longer one is cut to it.
const DELAY_MAX: Duration = Duration::from_hours(30 * 24);

/// The furthest that a `Retry-After` can postpone an attempt, before jitter.
pub const RETRY_AFTER_MAX: Duration = Duration::from_mins(15);

/// The delays between attempts. It ends: after the last delay and attempt nothing is tried again.
///
/// ```
/// use std::time::Duration;
/// use skai_server::domain::Backoff;
/// let backoff = Backoff::default();
/// assert_eq!(backoff.delay(1, 0.5, None), Some(Duration::from_secs(5)));
/// assert_eq!(backoff.delay(6, 0.5, None), None);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backoff {
    delays: Vec<Duration>,
}

impl Backoff {
    /// Takes the delay after the first attempt, after the second, and so on.
    /// A delay above 30 days is cut to 30 days.
    pub fn new(delays: impl IntoIterator<Item = Duration>) -> Self {
        let delays = delays.into_iter().map(|delay| delay.min(DELAY_MAX));
        Self { delays: delays.collect() }
    }

    /// How long to wait after attempt `attempt_number` (counted from 1) failed; `None` where it
    /// was the last one.
    ///
    /// The wait is spread by ±20 %: a `jitter_fraction` of 0 gives −20 %, 1 would give +20 %.
    /// `retry_after`, which the other side asked for, can only postpone, by
    /// [`RETRY_AFTER_MAX`] at most, and is spread by up to +20 %, so that it is never undercut.
    pub fn delay(
        &self,
        attempt_number: u32,
        jitter_fraction: f64,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        let index = usize::try_from(attempt_number).ok()?.checked_sub(1)?;
        let base = *self.delays.get(index)?;
        // `max` takes the number where the other is NaN, which `clamp` would let through.
        let fraction = jitter_fraction.max(0.0).clamp(0.0, 1.0);
        let planned = base.mul_f64(0.8 + 0.4 * fraction);
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        Some(planned.max(asked.mul_f64(1.0 + 0.2 * fraction)))
    }

    /// The delays before jitter.
    pub fn delays(&self) -> &[Duration] {
        &self.delays
    }
}

impl Default for Backoff {
    /// 5 s, 15 s, 45 s, 2 min, 5 min: what every queue starts with.
    fn default() -> Self {
        Self::new([5, 15, 45, 120, 300].map(Duration::from_secs))
    }
}

/// Reads the value of a `Retry-After` header, in seconds or as a date (RFC 9110 §10.2.3).
/// A date in the past asks for no delay; anything else that is malformed is `None`.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too large a number still asks for a long delay.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::default().plus(since_epoch).since(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_waits_as_listed_and_then_gives_up() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (1..=6).map(|n| backoff.delay(n, 0.5, None)).collect();
        let listed = [5, 15, 45, 120, 300].map(|s| Some(s * SECOND));
        assert_eq!(waits[..5], listed);
        assert_eq!(waits[5], None);
        assert_eq!(backoff.delay(0, 0.5, None), None);
        assert_eq!(backoff.delay(u32::MAX, 0.5, None), None);
    }

    #[test]
    fn jitter_spreads_by_a_fifth() {
        let backoff = Backoff::new([10 * SECOND]);
        assert_eq!(backoff.delay(1, 0.0, None), Some(8 * SECOND));
        assert_eq!(backoff.delay(1, 1.0, None), Some(12 * SECOND));
        assert_eq!(backoff.delay(1, f64::NAN, None), Some(8 * SECOND));
        assert_eq!(backoff.delay(1, f64::INFINITY, None), Some(12 * SECOND));
    }

    #[test]
    fn retry_after_postpones_within_its_bound() {
        let backoff = Backoff::default();
        let delay = |asked| backoff.delay(1, 0.0, Some(asked)).unwrap();
        assert_eq!(delay(60 * SECOND), 60 * SECOND);
        assert_eq!(delay(SECOND), 4 * SECOND);
        assert_eq!(delay(Duration::MAX), RETRY_AFTER_MAX);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
        let read = |value| parse_retry_after(value, now);
        assert_eq!(read("120"), Some(120 * SECOND));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30 * SECOND));
        assert_eq!(read("Sunday, 06-Nov-94 08:50:07 GMT"), Some(30 * SECOND));
        assert_eq!(read("Sun Nov  6 08:50:07 1994"), Some(30 * SECOND));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "-1", "+5", "1.5", "soon", "١٢"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn delays_are_bounded(
            delays in prop::collection::vec(any::<Duration>(), 0..8),
            attempt: u32,
            fraction: f64,
            retry_after: Option<Duration>,
        ) {
            let backoff = Backoff::new(delays);
            let attempt = attempt % 10;
            let delay = backoff.delay(attempt, fraction, retry_after);
            let base = attempt.checked_sub(1).and_then(|index| backoff.delays().get(index as usize));
            prop_assert_eq!(delay.is_some(), base.is_some());
            if let (Some(delay), Some(base)) = (delay, base) {
                prop_assert!(delay >= base.mul_f64(0.8));
                prop_assert!(delay >= retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
                prop_assert!(delay <= (*base).max(RETRY_AFTER_MAX).mul_f64(1.2));
            }
        }

        #[test]
        fn a_rising_list_gives_rising_delays(
            steps in prop::collection::vec(0_u64..1_000_000, 1..8),
            fraction in 0.0..1.0,
        ) {
            let mut total = 0;
            let delays: Vec<_> = steps
                .into_iter()
                .map(|step| {
                    total += step;
                    Duration::from_millis(total)
                })
                .collect();
            let backoff = Backoff::new(delays);
            let count = u32::try_from(backoff.delays().len()).unwrap();
            let waits: Vec<_> = (1..=count).map(|n| backoff.delay(n, fraction, None)).collect();
            prop_assert!(waits.is_sorted());
        }

        #[test]
        fn retry_after_never_panics(value: String, now: i64) {
            let _ = parse_retry_after(&value, Timestamp::from_millis(now));
        }
    }
}
