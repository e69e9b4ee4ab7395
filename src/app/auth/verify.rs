//! The verification of a key on a thread of the pool: looked up, hashed, compared, remembered.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    AuthSettings, REMEMBERED_MAX, Session, Verdict,
    cache::{Cache, Digest},
    passwords::Guesses,
    refusals::{refuse, unauthenticated},
};
use crate::{
    ambient::{Ambient, lock},
    app::{
        argon,
        cache::Uses,
        limits::{AttemptLimits, KeyBuckets, Limits, RateLimits},
    },
    domain::{ApiKey, ApiKeyId, Error, Result, Timestamp, UserId},
    store::{
        Store, SystemScope,
        api_keys::{self, KeyOfAccount},
    },
};

/// What the threads of the pool share with whoever asks them.
pub(super) struct Shared {
    pub(super) ambient: Ambient,
    pub(super) store: Store,
    pub(super) settings: AuthSettings,
    /// Keyed with randomness of this process, so that nobody can aim at an entry of the cache.
    pub(super) hasher: Hmac<Sha256>,
    pub(super) operator: Digest,
    pub(super) operator_buckets: KeyBuckets,
    pub(super) limits: Limits<ApiKeyId>,
    pub(super) user_limits: Limits<UserId>,
    pub(super) failed: AttemptLimits<IpAddr>,
    /// Events with signatures that are not Stripe's. They are counted apart, so that nobody keeps Stripe out by
    /// trying keys through the same proxy.
    pub(super) forged: AttemptLimits<IpAddr>,
    /// Wrong secrets for a key that exists: only these cost a hashing.
    pub(super) guesses: AttemptLimits<(IpAddr, ApiKeyId)>,
    /// Passwords that were presented.
    pub(super) passwords: Guesses,
    pub(super) cache: Mutex<Cache>,
    /// Counts what made any caller doubtful, while the cache is locked: somebody who signed in and was looked up before
    /// is not remembered after.
    pub(super) changes: AtomicU64,
    /// How often a presented key was in it.
    pub(super) uses: Uses,
    pub(super) hashings: AtomicU64,
}

/// A key that a thread is to verify.
pub(super) struct Verification {
    pub(super) key: ApiKey,
    pub(super) digest: Digest,
    pub(super) client: IpAddr,
    pub(super) epoch: u64,
}

impl Shared {
    pub(super) fn new(ambient: Ambient, settings: AuthSettings, store: Store) -> Self {
        let hasher = Hmac::new(&ambient.random::<64>().into());
        Self {
            operator: digest(&hasher, settings.operator_token.expose()),
            operator_buckets: KeyBuckets::default(),
            limits: Limits::new(REMEMBERED_MAX),
            user_limits: Limits::new(REMEMBERED_MAX),
            passwords: Guesses::new(settings.failed_attempts),
            failed: AttemptLimits::new(settings.failed_attempts, REMEMBERED_MAX),
            forged: AttemptLimits::new(settings.failed_attempts, REMEMBERED_MAX),
            guesses: AttemptLimits::new(settings.failed_attempts, REMEMBERED_MAX),
            cache: Mutex::new(Cache::new(settings.cache_ttl)),
            changes: AtomicU64::new(0),
            uses: Uses::default(),
            hashings: AtomicU64::new(0),
            ambient,
            store,
            settings,
            hasher,
        }
    }

    pub(super) fn known(&self, digest: &Digest) -> Option<Arc<Session>> {
        lock(&self.cache).session(digest, self.ambient.monotonic())
    }

    /// Lets go of people who signed in, and of those who are just being looked up.
    pub(super) fn forget_signed_in(
        &self,
        cache: &mut Cache,
        is_doubtful: impl Fn(&Session) -> bool,
    ) {
        cache.signed_in.forget(|session| is_doubtful(session));
        // Whoever sees this looks again, and finds them gone.
        self.changes.fetch_add(1, Ordering::Release);
    }

    pub(super) fn unexpired(&self, session: Arc<Session>) -> Result<Arc<Session>> {
        match session.expires_at {
            Some(end) if end <= self.ambient.now() => Err(unauthenticated()),
            _ => Ok(session),
        }
    }

    /// A thread of the pool.
    pub(super) fn work(&self, waiting: &Mutex<Receiver<Verification>>) {
        loop {
            let next = lock(waiting).recv();
            let Ok(verification) = next else { return };
            let verdict = self.verdict(&verification);
            self.land(&verification, &verdict);
        }
    }

    pub(super) fn verdict(&self, verification: &Verification) -> Verdict {
        self.look_up(verification).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot look up an API key");
            Verdict::Failed
        })
    }

    /// Looks the key up and verifies it, unless too many guesses at this very key came before.
    fn look_up(&self, verification: &Verification) -> Result<Verdict> {
        let Verification { key: presented, client, .. } = verification;
        let found = self.store.read(SystemScope::new(), |snapshot| {
            api_keys::by_prefix(snapshot, presented.prefix())
        })?;
        let now = self.ambient.now();
        let ended = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let works =
            |found: &KeyOfAccount| !ended(found.key.revoked_at) && !ended(found.key.ends_at());
        let Some(found) = found.filter(works) else {
            return Ok(refuse(&self.failed, *client, self.ambient.monotonic()));
        };
        let guess = (*client, found.key.id);
        if let Some(wait) = self.guesses.blocked(&guess, self.ambient.monotonic()) {
            return Ok(Verdict::Blocked(wait));
        }
        if !self.hash_matches(presented, &found.key) {
            return Ok(refuse(&self.guesses, guess, self.ambient.monotonic()));
        }
        self.session(found).map(|session| Verdict::Verified(Arc::new(session)))
    }

    fn session(&self, found: KeyOfAccount) -> Result<Session> {
        let KeyOfAccount { key, home, scope, payer, suspended_at } = found;
        let own_limit = key.rate_limit.as_deref().map(str::parse).transpose();
        let own_limit = own_limit.map_err(Error::internal)?.map(RateLimits::all);
        let allowed = key.allowed_cidrs.as_deref().map(str::parse).transpose();
        Ok(Session {
            key: key.id,
            key_seq: key.seq,
            home,
            scope,
            project: key.project,
            payer,
            scopes: key.scopes.parse().map_err(Error::internal)?,
            allowed: allowed.map_err(Error::internal)?,
            expires_at: key.ends_at(),
            name: key.name,
            prefix: key.prefix,
            rate_limits: own_limit.unwrap_or(self.settings.rate_limits),
            account_suspended: suspended_at.is_some(),
            buckets: self.limits.of(key.id, self.ambient.monotonic()),
            user: None,
        })
    }

    fn hash_matches(&self, presented: &ApiKey, stored: &api_keys::ApiKey) -> bool {
        self.hashings.fetch_add(1, Ordering::Relaxed);
        argon::verify(presented, &stored.hash)
    }

    /// Remembers a good key and answers all who wait for it; where the key changed meanwhile, dropping
    /// their senders tells them to ask again.
    pub(super) fn land(&self, verification: &Verification, verdict: &Verdict) {
        let now = self.ambient.monotonic();
        let mut cache = lock(&self.cache);
        let waiters = cache.flights.remove(&verification.digest);
        let is_stale = cache.is_stale(verification.epoch, verdict);
        if cache.flights.is_empty() {
            cache.changed.clear();
        }
        if is_stale {
            return;
        }
        if let Verdict::Verified(session) = verdict {
            cache.remember(verification.digest, session, now);
        }
        drop(cache);
        for waiter in waiters.into_iter().flatten() {
            // A client that went away needs no answer.
            drop(waiter.send(verdict.clone()));
        }
        if let Verdict::Verified(session) = verdict {
            let key = session.key;
            // Once per verification is exact enough, and nobody waits for it.
            drop(self.store.write(session.home, move |tx| api_keys::touch(tx, key)));
        }
    }
}

pub(super) fn digest(hasher: &Hmac<Sha256>, presented: &str) -> Digest {
    let mut hasher = hasher.clone();
    hasher.update(presented.as_bytes());
    hasher.finalize().into_bytes().into()
}
