//! Who sends a request. A known key costs one keyed hash and one look into a map; an unknown one is
//! verified on a small pool of threads, so that nobody can keep the event loop busy with guessing.

mod cache;
mod passwords;
mod refusals;
mod session;
mod signed_in;
#[cfg(test)]
mod tests;
pub(super) mod tokens;
mod verify;

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;

pub use refusals::{not_the_operator, unauthenticated};
pub use session::{Rights, Session};
pub use signed_in::{SessionSettings, SignedIn, not_signed_in};

use super::{
    argon::{self, HashCost},
    cache::CacheUse,
    limits::{KeyBuckets, RateLimits},
};
use crate::{
    ambient::{self, Ambient, lock},
    domain::{ApiKey, ApiKeyId, ProjectId, RateLimit, Result, Secret, UserId},
    store::{Signal, Store},
};
use cache::Digest;
pub(super) use passwords::Guesser;
use refusals::{blocked, busy, network, site};
use verify::{Shared, Verification, digest};

/// Verified keys, keys with buckets and failing clients that are remembered, at most.
const REMEMBERED_MAX: usize = 10_000;
/// Verifications that wait for a thread, and requests that wait for one verification.
const WAITING_MAX: usize = 256;

/// How authentication is limited, and the secret of the operator.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// Requests per key, for keys with no limit of their own.
    pub rate_limits: RateLimits,
    /// The operator's requests per rate class.
    pub operator_rate_limit: RateLimit,
    /// Refused keys, operator tokens and events of Stripe's per client address; passwords per address and e-mail.
    pub failed_attempts: RateLimit,
    /// What it costs to hash a new key.
    pub hash_cost: HashCost,
    /// Verifications that run at once; each takes a core, and the memory of a hash.
    pub threads: usize,
    /// How long a verified key needs no new verification.
    pub cache_ttl: Duration,
    /// The operator's token; an empty one matches nothing.
    pub operator_token: Secret<String>,
    /// How long people stay signed in on the dashboard.
    pub sessions: SessionSettings,
}

/// What became of a presented key.
#[derive(Debug)]
pub enum Attempt {
    /// It is known, or refused at no cost.
    Done(Result<Arc<Session>>),
    /// It is being verified; the answer comes through the channel.
    Pending(Pending),
}

/// The answer of a verification that runs on another thread. [`Pending::finish`] reads what arrives.
#[derive(Debug)]
pub struct Pending(pub oneshot::Receiver<Verdict>);

/// The answer of a verification, for all who wait for it.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The key is good.
    Verified(Arc<Session>),
    /// There is no such key, or no more.
    Refused,
    /// The client failed too often and must wait this long.
    Blocked(Duration),
    /// The store could not be asked.
    Failed,
}

/// Verifies API keys and the operator's token.
pub struct Authenticator {
    shared: Arc<Shared>,
    queue: SyncSender<Verification>,
}

impl Authenticator {
    /// Starts the threads that verify. They end with the authenticator.
    pub fn start(ambient: Ambient, settings: AuthSettings, store: Store) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(ambient, settings, store));
        let threads = shared.settings.threads;
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting));
            ambient::thread(format!("verify-{number}"), move || shared.work(&waiting))?;
        }
        Ok(Self { shared, queue })
    }

    /// Verifies a presented key. `client` is the address that failures are counted for. They keep out
    /// what is not found, and a key whose own secret was guessed at from that address; any other
    /// right key passes, cached or not.
    pub fn authenticate(&self, presented: &str, client: IpAddr) -> Attempt {
        let shared = &*self.shared;
        let digest = digest(&shared.hasher, presented);
        if let Some(session) = shared.known(&digest) {
            shared.uses.hit();
            return Attempt::Done(shared.unexpired(session));
        }
        let Ok(key) = ApiKey::parse(presented) else {
            return Attempt::Done(Err(unauthenticated()));
        };
        shared.uses.miss();
        self.verify(key, digest, network(client)).unwrap_or_else(|error| Attempt::Done(Err(error)))
    }

    /// Joins the verification of this key, or begins one, unless one has ended just now.
    fn verify(&self, key: ApiKey, digest: Digest, client: IpAddr) -> Result<Attempt> {
        let shared = &*self.shared;
        let (answer, pending) = oneshot::channel();
        let mut cache = lock(&shared.cache);
        if let Some(session) = cache.session(&digest, shared.ambient.monotonic()) {
            return Ok(Attempt::Done(shared.unexpired(session)));
        }
        if let Some(waiters) = cache.flights.get_mut(&digest) {
            if waiters.len() >= WAITING_MAX {
                return Err(busy());
            }
            waiters.push(answer);
        } else {
            let verification = Verification { key, digest, client, epoch: cache.epoch };
            self.queue.try_send(verification).map_err(|_| busy())?;
            cache.flights.insert(digest, vec![answer]);
        }
        Ok(Attempt::Pending(Pending(pending)))
    }

    /// Verifies the operator's token, in constant time. That costs nothing, so the right token passes
    /// whatever else came from that address.
    pub fn authenticate_operator(&self, presented: &str, client: IpAddr) -> Result<()> {
        let (shared, client) = (&*self.shared, network(client));
        let given = digest(&shared.hasher, presented);
        let set = !shared.settings.operator_token.expose().is_empty();
        if set && bool::from(given.ct_eq(&shared.operator)) {
            return Ok(());
        }
        let now = shared.ambient.monotonic();
        if let Some(wait) = shared.failed.blocked(&client, now) {
            return Err(blocked(wait));
        }
        // An API key at the wrong door is a mistake, not an attempt.
        if ApiKey::parse(presented).is_err() {
            shared.failed.record(client, now);
        }
        Err(not_the_operator())
    }

    /// Says how long to wait where too many signatures from that address were wrong.
    pub fn check_forgeries(&self, client: IpAddr) -> Result<()> {
        let shared = &*self.shared;
        let wait = shared.forged.blocked(&network(client), shared.ambient.monotonic());
        wait.map_or(Ok(()), |wait| Err(blocked(wait)))
    }

    /// Counts a wrong signature from that address.
    pub fn record_forgery(&self, client: IpAddr) {
        self.shared.forged.record(network(client), self.shared.ambient.monotonic());
    }

    /// Hashes a new key at the configured cost.
    pub(super) fn hash(&self, key: &ApiKey, salt: &[u8; 16]) -> Result<String> {
        argon::hash(key, salt, self.shared.settings.hash_cost)
    }

    /// How many keys were hashed since the start: what guessing cost.
    pub fn hashings(&self) -> u64 {
        self.shared.hashings.load(Ordering::Relaxed)
    }

    /// How often a presented key was known; one that was not is verified, or waits for another's verification of it.
    pub fn uses(&self) -> CacheUse {
        self.shared.uses.of(lock(&self.shared.cache).known.len())
    }

    /// The operator's buckets and their limit.
    pub fn operator_budget(&self) -> (&KeyBuckets, RateLimit) {
        let shared = &*self.shared;
        (&shared.operator_buckets, shared.settings.operator_rate_limit)
    }

    /// Counts what may have changed who may do what. While it stands, whoever was let in would be again.
    pub fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::Acquire)
    }

    /// Forgets one key, because it was revoked or changed: its next use asks the store.
    pub fn forget(&self, key: ApiKeyId) {
        let mut cache = lock(&self.shared.cache);
        cache.known.forget(|session| session.key == key);
        cache.change(Some(key));
        self.shared.forget_signed_in(&mut cache, |session| session.key == key);
    }

    /// Forgets the keys of a project, because it changed.
    fn forget_project(&self, project: ProjectId) {
        let mut cache = lock(&self.shared.cache);
        cache.known.forget(|session| session.project.1 == project);
        // Nobody knows the projects of the keys that are being verified.
        cache.change(None);
        self.shared.forget_signed_in(&mut cache, |session| session.project.1 == project);
    }

    /// Forgets the sessions of somebody who signed in.
    fn forget_user(&self, user: UserId) {
        let is_theirs = |session: &Session| session.user.as_ref().is_some_and(|it| it.id == user);
        self.shared.forget_signed_in(&mut lock(&self.shared.cache), is_theirs);
    }

    /// Forgets what a commit made doubtful. A listener of the store's.
    pub fn hear(&self, signals: &[Signal]) {
        for signal in signals {
            match signal {
                Signal::KeyChanged(key) => self.forget(*key),
                Signal::ProjectChanged(project) => self.forget_project(*project),
                Signal::UserChanged(user) => self.forget_user(*user),
                Signal::AccountChanged | Signal::Elsewhere => self.forget_all(),
                _ => {}
            }
        }
    }

    /// Forgets all keys and sessions.
    pub fn forget_all(&self) {
        let mut cache = lock(&self.shared.cache);
        cache.known.clear();
        cache.change(None);
        self.shared.forget_signed_in(&mut cache, |_| true);
    }
}

impl Pending {
    /// What the verdict means for the request. `Err` of the channel means: ask again.
    pub fn finish(verdict: Verdict) -> Result<Arc<Session>> {
        match verdict {
            Verdict::Verified(session) => Ok(session),
            Verdict::Refused => Err(unauthenticated()),
            Verdict::Blocked(wait) => Err(blocked(wait)),
            Verdict::Failed => Err(busy()),
        }
    }
}
