//! Places for what only so many requests may do at the same time.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::domain::{Error, Result};

/// Long pieces of work that are done at the same time: the threads for all other work stay free.
pub(super) const HEAVY_MAX: usize = 2;
/// Passwords that are hashed at the same time: each takes a core and some 20 MiB, and anybody may ask for it.
const PASSWORDS_MAX: usize = 2;
/// New keys that are hashed at the same time; each takes as much.
pub(super) const KEYS_MAX: usize = 2;
/// Cookies that are looked up at the same time: fewer than there are readers, unless there are very few.
const COOKIES_MAX: usize = 2;
/// Threads that what has places takes at most, besides those that only read.
pub const PLACES_MAX: usize = HEAVY_MAX + PASSWORDS_MAX + KEYS_MAX;

/// Bodies beyond the usual limit that are in memory at the same time.
const LARGE_MAX: usize = 8;
/// Bodies of routes with a gate that are in memory at the same time: anybody may send them.
const GATED_MAX: usize = 32;

/// Places, and how long one waits for one. Clones share them.
#[derive(Clone)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    patience: Duration,
    /// What who got none is told.
    refusal: &'static str,
    /// When to come again then.
    pause: Duration,
}

impl Turns {
    /// For work that takes seconds.
    pub(super) fn of_work(patience: Duration) -> Self {
        let refusal = "too many long requests are being worked on; retry in a moment";
        Self::new(HEAVY_MAX, patience, refusal, Duration::from_secs(5))
    }

    /// For passwords.
    pub(super) fn of_passwords(patience: Duration) -> Self {
        let refusal = "too many people are signing in at the moment; retry in a moment";
        Self::new(PASSWORDS_MAX, patience, refusal, Duration::from_secs(1))
    }

    /// For new keys.
    pub(super) fn of_keys(patience: Duration) -> Self {
        let refusal = "too many keys are being made at the moment; retry in a moment";
        Self::new(KEYS_MAX, patience, refusal, Duration::from_secs(1))
    }

    /// For cookies that are not known.
    pub(super) fn of_cookies(patience: Duration) -> Self {
        let refusal = "too many sessions are being looked up at the moment; retry in a moment";
        Self::new(COOKIES_MAX, patience, refusal, Duration::from_secs(1))
    }

    /// For bodies that may be larger than usual.
    pub(super) fn of_large_bodies(patience: Duration) -> Self {
        Self::of_bodies(LARGE_MAX, patience)
    }

    /// For bodies behind a gate.
    pub(super) fn of_gated_bodies(patience: Duration) -> Self {
        Self::of_bodies(GATED_MAX, patience)
    }

    fn of_bodies(most: usize, patience: Duration) -> Self {
        let refusal = "too many such bodies are being sent at the same time; retry in a moment";
        Self::new(most, patience, refusal, Duration::from_secs(1))
    }

    fn new(most: usize, patience: Duration, refusal: &'static str, pause: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), patience, refusal, pause }
    }

    /// A place until it is dropped, in the order of arrival. 503 where none gets free in time.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.ok().and_then(std::result::Result::ok);
        place.ok_or_else(|| Error::unavailable(self.refusal, self.pause))
    }
}
