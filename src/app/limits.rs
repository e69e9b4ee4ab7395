//! Rate limits per API key, kept in memory: a restart forgives.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    ambient::lock,
    domain::{Error, ErrorKind, Quota, RateLimit, TokenBucket, format_duration},
};

/// The answer to a request above its limit.
pub fn exceeded(class: RateClass, limit: RateLimit, quota: Quota) -> Error {
    let message = format!(
        "more than {} {} requests in {}; wait as many seconds as Retry-After says",
        limit.limit,
        class.as_str(),
        format_duration(limit.window)
    );
    Error::new(ErrorKind::RateLimit, message).with_retry_after(quota.retry_after)
}

/// Which of a key's budgets a request draws on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RateClass {
    /// Requests that change nothing.
    Read,
    /// Requests that may change something.
    Write,
}

impl RateClass {
    /// The name of the budget in the `RateLimit-Policy` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// How many requests each class allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimits {
    /// Requests that change nothing.
    pub read: RateLimit,
    /// Requests that may change something.
    pub write: RateLimit,
}

impl RateLimits {
    /// The same limit for each class.
    pub const fn all(limit: RateLimit) -> Self {
        Self { read: limit, write: limit }
    }

    /// The limit of a class.
    pub const fn of(self, class: RateClass) -> RateLimit {
        match class {
            RateClass::Read => self.read,
            RateClass::Write => self.write,
        }
    }
}

/// The buckets of one key. They outlive its entry in the verification cache.
#[derive(Debug, Default)]
pub struct KeyBuckets {
    read: Mutex<TokenBucket>,
    write: Mutex<TokenBucket>,
}

impl KeyBuckets {
    /// Takes a token of the class. `now` is monotonic.
    pub fn take(&self, class: RateClass, limit: RateLimit, now: Duration) -> Quota {
        lock(self.of(class)).take(limit, now)
    }

    /// What is left of the class's budget. `now` is monotonic.
    pub fn quota(&self, class: RateClass, limit: RateLimit, now: Duration) -> Quota {
        lock(self.of(class)).quota(limit, now)
    }

    const fn of(&self, class: RateClass) -> &Mutex<TokenBucket> {
        match class {
            RateClass::Read => &self.read,
            RateClass::Write => &self.write,
        }
    }

    fn is_full(&self, now: Duration) -> bool {
        lock(&self.read).is_full(now) && lock(&self.write).is_full(now)
    }
}

/// The buckets of all keys or people in use, bounded in number.
#[derive(Debug)]
pub(super) struct Limits<K> {
    keys: Mutex<HashMap<K, Arc<KeyBuckets>>>,
    capacity: usize,
}

impl<K: Hash + Eq> Limits<K> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { keys: Mutex::default(), capacity }
    }

    /// The buckets of a key; full ones if it was not seen lately.
    pub(super) fn of(&self, key: K, now: Duration) -> Arc<KeyBuckets> {
        let mut keys = lock(&self.keys);
        if keys.len() >= self.capacity && !keys.contains_key(&key) {
            keys.retain(|_, buckets| !buckets.is_full(now));
        }
        if keys.len() >= self.capacity && !keys.contains_key(&key) {
            // So many keys at their limits at once: forgiving some costs less than growing.
            keys.clear();
        }
        Arc::clone(keys.entry(key).or_default())
    }
}

/// Attempts by who or what makes them, such as a network: it slows down guessing and bounds what guessing costs.
#[derive(Debug)]
pub(super) struct AttemptLimits<K> {
    clients: Mutex<HashMap<K, TokenBucket>>,
    limit: RateLimit,
    capacity: usize,
}

impl<K: Hash + Eq> AttemptLimits<K> {
    pub(super) fn new(limit: RateLimit, capacity: usize) -> Self {
        Self { clients: Mutex::default(), limit, capacity }
    }

    /// How long the client must wait, if it tried too often.
    pub(super) fn blocked(&self, client: &K, now: Duration) -> Option<Duration> {
        let clients = lock(&self.clients);
        let quota = clients.get(client)?.quota(self.limit, now);
        (!quota.allowed).then_some(quota.retry_after)
    }

    /// Counts an attempt.
    pub(super) fn record(&self, client: K, now: Duration) {
        let mut clients = lock(&self.clients);
        if clients.len() >= self.capacity {
            clients.retain(|_, bucket| !bucket.is_full(now));
        }
        if clients.len() < self.capacity || clients.contains_key(&client) {
            clients.entry(client).or_default().take(self.limit, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ApiKeyId;

    const ONE: RateLimit = RateLimit { limit: 1, window: Duration::from_secs(10) };

    fn key(number: u128) -> ApiKeyId {
        ApiKeyId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn classes_and_keys_have_budgets_of_their_own() {
        let limits = Limits::new(10);
        let now = Duration::ZERO;
        let buckets = limits.of(key(1), now);
        assert!(buckets.take(RateClass::Read, ONE, now).allowed);
        assert!(buckets.take(RateClass::Write, ONE, now).allowed);
        assert!(!limits.of(key(1), now).take(RateClass::Read, ONE, now).allowed);
        assert!(limits.of(key(2), now).take(RateClass::Read, ONE, now).allowed);
    }

    #[test]
    fn memory_is_bounded_and_used_buckets_stay_longest() {
        let limits = Limits::new(2);
        let now = Duration::ZERO;
        limits.of(key(1), now).take(RateClass::Read, ONE, now);
        limits.of(key(2), now);
        limits.of(key(3), now);
        assert!(!limits.of(key(1), now).take(RateClass::Read, ONE, now).allowed);
        for number in 0..100 {
            limits.of(key(number), now);
            assert!(lock(&limits.keys).len() <= 2);
        }
    }

    #[test]
    fn failures_block_for_a_while() {
        let attempts = AttemptLimits::new(ONE, 2);
        assert_eq!(attempts.blocked(&1, Duration::ZERO), None);
        attempts.record(1, Duration::ZERO);
        assert_eq!(attempts.blocked(&1, Duration::ZERO), Some(ONE.window));
        assert_eq!(attempts.blocked(&2, Duration::ZERO), None);
        assert_eq!(attempts.blocked(&1, ONE.window), None);
        for client in 0..100 {
            attempts.record(client, Duration::ZERO);
        }
        assert_eq!(lock(&attempts.clients).len(), 2);
    }
}
