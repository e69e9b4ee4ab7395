//! What is known of keys, and what is being found out. One lock guards both, so that a key is either.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{REMEMBERED_MAX, Session, Verdict};

/// A keyed hash of a presented key.
pub(super) type Digest = [u8; 32];

/// Verified keys and verifications under way, each bounded in number.
#[derive(Default)]
pub(super) struct Cache {
    pub(super) known: HashMap<Digest, Known>,
    /// Who waits for a verification that is under way.
    pub(super) flights: HashMap<Digest, Vec<oneshot::Sender<Verdict>>>,
    /// Counts revocations: a verification that began before one is not remembered after it.
    pub(super) epoch: u64,
}

/// A key that was verified.
pub(super) struct Known {
    pub(super) session: Arc<Session>,
    /// Until this monotonic time it needs no new verification.
    pub(super) until: Duration,
}

impl Cache {
    /// Remembers a good key. `now` is monotonic.
    pub(super) fn remember(
        &mut self,
        digest: Digest,
        session: &Arc<Session>,
        now: Duration,
        ttl: Duration,
    ) {
        if self.known.len() >= REMEMBERED_MAX {
            self.known.retain(|_, known| now < known.until);
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        let known = Known { session: Arc::clone(session), until: now + ttl };
        self.known.insert(digest, known);
    }
}
