//! Places for work that takes seconds, so that the threads for all other work stay free.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::domain::{Error, Result};

/// Long pieces of work that are done at the same time.
pub const HEAVY_MAX: usize = 2;
/// When to come again for who got no place.
const PAUSE: Duration = Duration::from_secs(5);

/// The places, and how long one waits for one.
pub(super) struct Heavy {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Heavy {
    pub(super) fn new(patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(HEAVY_MAX)), patience }
    }

    /// A place until it is dropped. 503 where none gets free in time.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        place.ok().and_then(std::result::Result::ok).ok_or_else(|| {
            let message = "too many long requests are being worked on; retry in a moment";
            Error::unavailable(message, PAUSE)
        })
    }
}
