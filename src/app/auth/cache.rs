//! What is known of keys, and what is being found out. One lock guards both, so that a key is either.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{REMEMBERED_MAX, Session, Verdict};
use crate::{
    app::cache::{BELIEVED, Bounds, Kept},
    domain::ApiKeyId,
};

/// A keyed hash of a presented key.
pub(super) type Digest = [u8; 32];

/// Verified keys and verifications under way, each bounded in number.
pub(super) struct Cache {
    pub(super) known: Kept<Digest, Arc<Session>>,
    /// People who signed in, by their tokens and the projects that they act in.
    pub(super) signed_in: Kept<Digest, Arc<Session>>,
    /// Who waits for a verification that is under way.
    pub(super) flights: HashMap<Digest, Vec<oneshot::Sender<Verdict>>>,
    /// Counts changes of keys.
    pub(super) epoch: u64,
    /// The epochs of the last change of each key, while anything is in flight, and of the last change
    /// that may concern any: a key's verification that began before one is not believed after it.
    pub(super) changed: HashMap<ApiKeyId, u64>,
    all_changed: u64,
}

/// About what a session holds, in bytes of memory.
const SESSION_BYTES: usize = size_of::<Session>();

impl Cache {
    /// No key is known. Each is, once it was verified, for so long.
    pub(super) fn new(ttl: Duration) -> Self {
        let bytes = REMEMBERED_MAX * SESSION_BYTES;
        Self {
            known: Kept::new(Bounds { entries: REMEMBERED_MAX, bytes, ttl }),
            signed_in: Kept::new(Bounds { entries: REMEMBERED_MAX, bytes, ttl: ttl.min(BELIEVED) }),
            flights: HashMap::new(),
            epoch: 0,
            changed: HashMap::new(),
            all_changed: 0,
        }
    }

    /// The session of a key that needs no verification. `now` is monotonic.
    pub(super) fn session(&mut self, digest: &Digest, now: Duration) -> Option<Arc<Session>> {
        self.known.get(digest, now).map(Arc::clone)
    }

    /// Notes that a key changed, or any may have.
    pub(super) fn change(&mut self, key: Option<ApiKeyId>) {
        self.epoch += 1;
        match key {
            Some(_) if self.flights.is_empty() => {}
            Some(key) if self.changed.len() < REMEMBERED_MAX => {
                self.changed.insert(key, self.epoch);
            }
            _ => self.all_changed = self.epoch,
        }
    }

    /// True where the key changed after the verification began. What is refused stays refused: no
    /// change makes a key good again.
    pub(super) fn is_stale(&self, epoch: u64, verdict: &Verdict) -> bool {
        let Verdict::Verified(session) = verdict else { return false };
        let changed = self.changed.get(&session.key).copied().unwrap_or(0);
        changed.max(self.all_changed) > epoch
    }

    /// Remembers a good key. `now` is monotonic.
    pub(super) fn remember(&mut self, digest: Digest, session: &Arc<Session>, now: Duration) {
        self.known.put(digest, Arc::clone(session), SESSION_BYTES, now);
    }

    /// Remembers somebody who signed in. `now` is the monotonic time from which on it was looked up.
    pub(super) fn remember_signed_in(&mut self, key: Digest, of: &Arc<Session>, now: Duration) {
        self.signed_in.put(key, Arc::clone(of), SESSION_BYTES, now);
    }
}
