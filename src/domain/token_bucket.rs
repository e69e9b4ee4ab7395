//! A token bucket that remembers a single point in time.

use std::time::Duration;

use super::RateLimit;

/// A bucket that holds as many tokens as its limit allows requests, and refills evenly.
///
/// It stores when it will be full again, which says the same as a count and a time of counting
/// (the generic cell rate algorithm, ITU-T I.371). A new bucket is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TokenBucket {
    full_at: Duration,
}

/// What a bucket said to one request, in the terms of the `RateLimit` header fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// Whether the request may pass.
    pub allowed: bool,
    /// Requests that a full bucket lets pass at once.
    pub limit: u32,
    /// Requests that would pass now.
    pub remaining: u32,
    /// Time until the bucket is full again.
    pub reset: Duration,
    /// Time until a request passes; zero where one would pass now.
    pub retry_after: Duration,
}

impl TokenBucket {
    /// Takes a token if there is one. `now` is monotonic.
    pub fn take(&mut self, limit: RateLimit, now: Duration) -> Quota {
        let (interval, capacity) = (interval(limit), capacity(limit));
        let full_at = self.full_at.max(now).saturating_add(interval);
        let allowed = full_at.saturating_sub(now) <= capacity;
        if allowed {
            self.full_at = full_at;
        }
        Quota { allowed, ..self.quota(limit, now) }
    }

    /// What the bucket would say, with nothing taken. `now` is monotonic.
    pub fn quota(&self, limit: RateLimit, now: Duration) -> Quota {
        let (interval, capacity) = (interval(limit), capacity(limit));
        // A limit that was lowered meanwhile never makes anyone wait longer than one window.
        let reset = self.full_at.saturating_sub(now).min(capacity);
        let free = capacity.saturating_sub(reset);
        let remaining = u32::try_from(free.as_nanos() / interval.as_nanos()).unwrap_or(limit.limit);
        Quota {
            allowed: remaining > 0,
            limit: limit.limit,
            remaining,
            reset,
            retry_after: interval.saturating_sub(free),
        }
    }

    /// True where the bucket is full at `now`: it says no more than a new one would.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

/// The time in which one token comes back, at least a nanosecond.
fn interval(limit: RateLimit) -> Duration {
    (limit.window / limit.limit.max(1)).max(Duration::from_nanos(1))
}

/// The time in which an empty bucket fills: the window, cut to whole intervals.
fn capacity(limit: RateLimit) -> Duration {
    interval(limit).saturating_mul(limit.limit.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE: RateLimit = RateLimit { limit: 5, window: Duration::from_mins(1) };

    #[test]
    fn lets_the_limit_pass_at_once_and_then_one_per_interval() {
        let mut bucket = TokenBucket::default();
        let now = Duration::from_secs(1_000);
        for left in (0..5).rev() {
            let quota = bucket.take(FIVE, now);
            assert!(quota.allowed);
            assert_eq!((quota.limit, quota.remaining), (5, left));
        }
        let refused = bucket.take(FIVE, now);
        assert!(!refused.allowed);
        assert_eq!(refused.remaining, 0);
        assert_eq!(refused.reset, Duration::from_mins(1));
        assert_eq!(refused.retry_after, Duration::from_secs(12));
        assert!(!bucket.take(FIVE, now + Duration::from_millis(11_999)).allowed);
        assert!(bucket.take(FIVE, now + Duration::from_secs(12)).allowed);
        assert!(bucket.is_full(now + Duration::from_secs(72)));
    }

    #[test]
    fn looking_takes_nothing() {
        let mut bucket = TokenBucket::default();
        assert!(bucket.take(FIVE, Duration::ZERO).allowed);
        let seen = bucket.quota(FIVE, Duration::ZERO);
        assert_eq!(seen, bucket.quota(FIVE, Duration::ZERO));
        assert_eq!(seen.remaining, 4);
    }

    proptest! {
        #[test]
        fn never_passes_more_than_the_limit_and_the_refill(
            limit in 1u32..500,
            window_ms in 1u64..100_000,
            steps in prop::collection::vec(0u64..2_000, 1..200),
        ) {
            let limit = RateLimit { limit, window: Duration::from_millis(window_ms) };
            let mut bucket = TokenBucket::default();
            let (mut now, mut passed) = (Duration::ZERO, 0u128);
            for step in steps {
                now += Duration::from_millis(step);
                let quota = bucket.take(limit, now);
                passed += u128::from(quota.allowed);
                prop_assert!(quota.allowed || quota.retry_after > Duration::ZERO);
                prop_assert!(quota.remaining <= quota.limit);
            }
            let refilled = now.as_nanos() / interval(limit).as_nanos();
            prop_assert!(passed <= u128::from(limit.limit) + refilled);
        }
    }
}
