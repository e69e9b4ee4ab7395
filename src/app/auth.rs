//! Who sends a request. A known key costs one keyed hash and one look into a map; an unknown one is
//! verified on a small pool of threads, so that nobody can keep the event loop busy with guessing.

mod cache;

use std::{
    hash::Hash,
    io,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;

use cache::{Cache, Digest};

use super::{
    argon::{self, HashCost},
    limits::{FailedAttempts, KeyBuckets, Limits, RateLimits},
};
use crate::{
    ambient::{self, Ambient, lock},
    domain::{
        ApiKey, ApiKeyId, Environment, Error, ErrorKind, ProjectId, RateLimit, Result, ScopeSet,
        Secret, Timestamp,
    },
    store::{
        AccountScope, Signal, Store, SystemScope,
        api_keys::{self, KeyOfAccount},
    },
};

/// Verified keys, keys with buckets and failing clients that are remembered, at most.
const REMEMBERED_MAX: usize = 10_000;
/// Verifications that wait for a thread, and requests that wait for one verification.
const WAITING_MAX: usize = 256;

/// A verified API key: what a request may do, and the buckets that it draws on.
#[derive(Debug)]
pub struct Session {
    /// The key's id.
    pub key: ApiKeyId,
    /// The key's internal number.
    pub key_seq: i64,
    /// The right to the rows of the key's account.
    pub scope: AccountScope,
    /// The internal number and the id of the project that the key belongs to.
    pub project: (i64, ProjectId),
    /// Live or test.
    pub environment: Environment,
    /// What it may do.
    pub scopes: ScopeSet,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Requests per window, by rate class.
    pub rate_limits: RateLimits,
    /// Whether the operator suspended the account.
    pub account_suspended: bool,
    /// Where the requests are counted.
    pub buckets: Arc<KeyBuckets>,
}

/// How authentication is limited, and the secret of the operator.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// Requests per key, for keys with no limit of their own.
    pub rate_limits: RateLimits,
    /// The operator's requests per rate class.
    pub operator_rate_limit: RateLimit,
    /// Refused keys and operator tokens per client address.
    pub failed_attempts: RateLimit,
    /// What it costs to hash a new key.
    pub hash_cost: HashCost,
    /// Verifications that run at once; each takes a core, and the memory of a hash.
    pub threads: usize,
    /// How long a verified key needs no new verification.
    pub cache_ttl: Duration,
    /// The operator's token; an empty one matches nothing.
    pub operator_token: Secret<String>,
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

struct Shared {
    ambient: Ambient,
    store: Store,
    settings: AuthSettings,
    /// Keyed with randomness of this process, so that nobody can aim at an entry of the cache.
    hasher: Hmac<Sha256>,
    operator: Digest,
    operator_buckets: KeyBuckets,
    limits: Limits,
    failed: FailedAttempts<IpAddr>,
    /// Wrong secrets for a key that exists: only these cost a hashing.
    guesses: FailedAttempts<(IpAddr, ApiKeyId)>,
    cache: Mutex<Cache>,
    hashings: AtomicU64,
}

struct Verification {
    key: ApiKey,
    digest: Digest,
    client: IpAddr,
    epoch: u64,
}

impl Authenticator {
    /// Starts the threads that verify. They end with the authenticator.
    pub fn start(ambient: Ambient, settings: AuthSettings, store: Store) -> io::Result<Self> {
        let hasher = Hmac::new(&ambient.random::<64>().into());
        let operator = digest(&hasher, settings.operator_token.expose());
        let shared = Arc::new(Shared {
            store,
            hasher,
            operator,
            operator_buckets: KeyBuckets::default(),
            limits: Limits::new(REMEMBERED_MAX),
            failed: FailedAttempts::new(settings.failed_attempts, REMEMBERED_MAX),
            guesses: FailedAttempts::new(settings.failed_attempts, REMEMBERED_MAX),
            cache: Mutex::default(),
            hashings: AtomicU64::new(0),
            settings,
            ambient,
        });
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
            return Attempt::Done(shared.unexpired(session));
        }
        let Ok(key) = ApiKey::parse(presented) else {
            return Attempt::Done(Err(unauthenticated()));
        };
        match self.verify(key, digest, network(client)) {
            Ok(pending) => Attempt::Pending(Pending(pending)),
            Err(error) => Attempt::Done(Err(error)),
        }
    }

    /// Joins the verification of this key, or begins one.
    fn verify(
        &self,
        key: ApiKey,
        digest: Digest,
        client: IpAddr,
    ) -> Result<oneshot::Receiver<Verdict>> {
        let (answer, pending) = oneshot::channel();
        let mut cache = lock(&self.shared.cache);
        if let Some(waiters) = cache.flights.get_mut(&digest) {
            if waiters.len() >= WAITING_MAX {
                return Err(busy());
            }
            waiters.push(answer);
            return Ok(pending);
        }
        let verification = Verification { key, digest, client, epoch: cache.epoch };
        self.queue.try_send(verification).map_err(|_| busy())?;
        cache.flights.insert(digest, vec![answer]);
        Ok(pending)
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
        Err(unauthenticated())
    }

    /// Hashes a new key at the configured cost.
    pub(super) fn hash(&self, key: &ApiKey, salt: &[u8; 16]) -> Result<String> {
        argon::hash(key, salt, self.shared.settings.hash_cost)
    }

    /// How many keys were hashed since the start: what guessing cost.
    pub fn hashings(&self) -> u64 {
        self.shared.hashings.load(Ordering::Relaxed)
    }

    /// The operator's buckets and their limit.
    pub fn operator_budget(&self) -> (&KeyBuckets, RateLimit) {
        let shared = &*self.shared;
        (&shared.operator_buckets, shared.settings.operator_rate_limit)
    }

    /// Forgets one key, because it was revoked or changed: its next use asks the store.
    pub fn forget(&self, key: ApiKeyId) {
        let mut cache = lock(&self.shared.cache);
        cache.known.retain(|_, known| known.session.key != key);
        cache.change(Some(key));
    }

    /// Forgets what a commit made doubtful. A listener of the store's.
    pub fn hear(&self, signals: &[Signal]) {
        for signal in signals {
            match signal {
                Signal::KeyChanged(key) => self.forget(*key),
                Signal::AccountChanged | Signal::Elsewhere => self.forget_all(),
                _ => {}
            }
        }
    }

    /// Forgets all keys.
    pub fn forget_all(&self) {
        let mut cache = lock(&self.shared.cache);
        cache.known.clear();
        cache.change(None);
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

impl Shared {
    fn known(&self, digest: &Digest) -> Option<Arc<Session>> {
        let cache = lock(&self.cache);
        let known = cache.known.get(digest)?;
        (self.ambient.monotonic() < known.until).then(|| Arc::clone(&known.session))
    }

    fn unexpired(&self, session: Arc<Session>) -> Result<Arc<Session>> {
        match session.expires_at {
            Some(end) if end <= self.ambient.now() => Err(unauthenticated()),
            _ => Ok(session),
        }
    }

    /// A thread of the pool.
    fn work(&self, waiting: &Mutex<Receiver<Verification>>) {
        loop {
            let next = lock(waiting).recv();
            let Ok(verification) = next else { return };
            let verdict = self.verdict(&verification);
            self.land(&verification, &verdict);
        }
    }

    fn verdict(&self, verification: &Verification) -> Verdict {
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
        self.session(presented, found).map(|session| Verdict::Verified(Arc::new(session)))
    }

    fn session(&self, presented: &ApiKey, found: KeyOfAccount) -> Result<Session> {
        let KeyOfAccount { key, scope, suspended_at } = found;
        let own_limit = key.rate_limit.as_deref().map(str::parse).transpose();
        let own_limit = own_limit.map_err(Error::internal)?.map(RateLimits::all);
        Ok(Session {
            key: key.id,
            key_seq: key.seq,
            scope,
            project: key.project,
            environment: presented.environment(),
            scopes: key.scopes.parse().map_err(Error::internal)?,
            expires_at: key.ends_at(),
            rate_limits: own_limit.unwrap_or(self.settings.rate_limits),
            account_suspended: suspended_at.is_some(),
            buckets: self.limits.of(key.id, self.ambient.monotonic()),
        })
    }

    fn hash_matches(&self, presented: &ApiKey, stored: &api_keys::ApiKey) -> bool {
        self.hashings.fetch_add(1, Ordering::Relaxed);
        argon::verify(presented, &stored.hash)
    }

    /// Remembers a good key and answers all who wait for it; where the key changed meanwhile, dropping
    /// their senders tells them to ask again.
    fn land(&self, verification: &Verification, verdict: &Verdict) {
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
            cache.remember(verification.digest, session, now, self.settings.cache_ttl);
        }
        drop(cache);
        for waiter in waiters.into_iter().flatten() {
            // A client that went away needs no answer.
            drop(waiter.send(verdict.clone()));
        }
        if let Verdict::Verified(session) = verdict {
            let key = session.key;
            // Once per verification is exact enough, and nobody waits for it.
            drop(self.store.write(session.scope, move |tx| api_keys::touch(tx, key)));
        }
    }
}

fn digest(hasher: &Hmac<Sha256>, presented: &str) -> Digest {
    let mut hasher = hasher.clone();
    hasher.update(presented.as_bytes());
    hasher.finalize().into_bytes().into()
}

/// Counts a failure, or says how long to wait where too many came before.
fn refuse<K: Hash + Eq>(failures: &FailedAttempts<K>, of: K, now: Duration) -> Verdict {
    if let Some(wait) = failures.blocked(&of, now) {
        return Verdict::Blocked(wait);
    }
    failures.record(of, now);
    Verdict::Refused
}

fn blocked(wait: Duration) -> Error {
    let message = "too many failed attempts from this address; check the key and wait";
    Error::new(ErrorKind::RateLimit, message).with_retry_after(wait)
}

/// Whose failures are counted together: an IPv4 address, or the /64 that one IPv6 host can use.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The key or token is none, or none any more. Says no more than that.
pub fn unauthenticated() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the API key is missing, unknown, revoked or expired; send it as Authorization: Bearer <key>",
    )
}

fn busy() -> Error {
    Error::unavailable(
        "too many keys are being verified at the moment; retry in a second",
        Duration::from_secs(1),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        app::RateClass,
        domain::{AccountId, ProjectId},
        store::{EngineSettings, accounts, api_keys::NewApiKey},
    };

    const CACHE_TTL: Duration = Duration::from_mins(1);
    const CHEAP: HashCost = HashCost { memory_kib: 8, passes: 1 };
    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    struct Bench {
        auth: Authenticator,
        store: Store,
        ambient: Ambient,
        account: AccountScope,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let ambient = Ambient::manual(Timestamp::from_millis(1_000_000), 1);
            let store = open(folder.path(), &ambient);
            let account = account(&store, &ambient);
            let limit = |limit| RateLimit { limit, window: Duration::from_mins(1) };
            let settings = AuthSettings {
                rate_limits: RateLimits { read: limit(60), write: limit(6) },
                operator_rate_limit: limit(600),
                failed_attempts: limit(5),
                hash_cost: CHEAP,
                threads: 2,
                cache_ttl: CACHE_TTL,
                operator_token: Secret::new("the operator".to_owned()),
            };
            let auth = Authenticator::start(ambient.clone(), settings, store.clone()).unwrap();
            Self { auth, store, ambient, account, _folder: folder }
        }

        fn key(&self, change: impl FnOnce(&mut NewApiKey)) -> (ApiKeyId, String) {
            self.key_of(&self.ambient.random(), change)
        }

        fn key_of(
            &self,
            random: &[u8; 32],
            change: impl FnOnce(&mut NewApiKey),
        ) -> (ApiKeyId, String) {
            let key = ApiKey::generate(Environment::Live, random);
            let mut new = NewApiKey {
                id: ApiKeyId::from_uuid(self.ambient.uuid()),
                project: 1,
                name: "key".to_owned(),
                prefix: key.prefix().to_owned(),
                hash: self.auth.hash(&key, &self.ambient.random()).unwrap(),
                scopes: "jobs:read".to_owned(),
                rate_limit: None,
                expires_at: None,
            };
            change(&mut new);
            let id = new.id;
            self.store.write(self.account, move |tx| api_keys::insert(tx, &new)).wait().unwrap();
            (id, key.text().expose().clone())
        }

        fn ask(&self, key: &str) -> Result<Arc<Session>> {
            match self.auth.authenticate(key, CLIENT) {
                Attempt::Done(result) => result,
                Attempt::Pending(Pending(verdict)) => {
                    Pending::finish(verdict.blocking_recv().unwrap())
                }
            }
        }

        fn refusal(&self, key: &str) -> ErrorKind {
            self.ask(key).unwrap_err().kind()
        }
    }

    fn open(folder: &Path, ambient: &Ambient) -> Store {
        let path = folder.join("skai.db");
        Store::open(&path, &EngineSettings::default(), ambient).unwrap().0
    }

    fn account(store: &Store, ambient: &Ambient) -> AccountScope {
        let (id, project) = (ambient.uuid(), ambient.uuid());
        let (id, project) = (AccountId::from_uuid(id), ProjectId::from_uuid(project));
        store
            .write(SystemScope::new(), move |tx| accounts::insert(tx, id, project, "tests"))
            .wait()
            .unwrap()
    }

    #[test]
    fn a_key_is_hashed_once_a_minute() {
        let bench = Bench::new();
        let (id, key) = bench.key(|new| new.rate_limit = Some("7,1m".to_owned()));
        let session = bench.ask(&key).unwrap();
        let limits = (session.rate_limits.read.limit, session.rate_limits.write.limit);
        assert_eq!((session.key, session.scope, limits), (id, bench.account, (7, 7)));
        for _ in 0..10 {
            assert!(matches!(bench.auth.authenticate(&key, CLIENT), Attempt::Done(Ok(_))));
        }
        assert_eq!(bench.auth.hashings(), 1);
        bench.ambient.advance(CACHE_TTL);
        assert!(matches!(bench.auth.authenticate(&key, CLIENT), Attempt::Pending(_)));
    }

    #[test]
    fn noise_costs_no_hashing() {
        let bench = Bench::new();
        let unknown = ApiKey::generate(Environment::Live, &[1; 32]);
        let (_, key) = bench.key(|_| {});
        let typo = format!("{}x", &key[..key.len() - 1]);
        for bad in [typo.as_str(), "", "the operator", unknown.text().expose()] {
            assert_eq!(bench.refusal(bad), ErrorKind::Unauthenticated);
        }
        let (_, ended) = bench.key(|new| new.expires_at = Some(Timestamp::from_millis(1)));
        assert_eq!(bench.refusal(&ended), ErrorKind::Unauthenticated);
        assert_eq!(bench.auth.hashings(), 0);
    }

    #[test]
    fn a_revoked_key_is_refused_at_once() {
        let bench = Bench::new();
        let (id, key) = bench.key(|_| {});
        assert!(bench.ask(&key).is_ok());
        let revoke = bench.store.write(bench.account, move |tx| api_keys::revoke(tx, id));
        assert!(revoke.wait().unwrap());
        bench.auth.hear(&[Signal::KeyChanged(id)]);
        assert_eq!(bench.refusal(&key), ErrorKind::Unauthenticated);
        assert_eq!(bench.auth.hashings(), 1);
    }

    #[test]
    fn an_expired_key_is_refused_though_it_is_cached() {
        let bench = Bench::new();
        let end = bench.ambient.now().plus(Duration::from_secs(10));
        let (_, key) = bench.key(|new| new.expires_at = Some(end));
        assert!(bench.ask(&key).is_ok());
        bench.ambient.advance(Duration::from_secs(10));
        assert_eq!(bench.refusal(&key), ErrorKind::Unauthenticated);
    }

    #[test]
    fn only_a_change_of_its_own_key_makes_a_verification_doubtful() {
        let bench = Bench::new();
        let ((id, key), (other, _)) = (bench.key(|_| {}), bench.key(|_| {}));
        let shared = &bench.auth.shared;
        let digest = digest(&shared.hasher, &key);
        let all: [(&[Signal], bool); 3] = [
            (&[Signal::KeyChanged(other)], true),
            (&[Signal::KeyChanged(id)], false),
            (&[Signal::AccountChanged], false),
        ];
        for (signals, is_good) in all {
            bench.auth.forget_all();
            let (answer, mut pending) = oneshot::channel();
            let mut cache = lock(&shared.cache);
            cache.flights.insert(digest, vec![answer]);
            let (key, epoch) = (ApiKey::parse(&key).unwrap(), cache.epoch);
            drop(cache);
            let verification = Verification { key, digest, client: CLIENT, epoch };
            let verdict = shared.verdict(&verification);
            assert!(matches!(verdict, Verdict::Verified(_)));
            bench.auth.hear(signals);
            shared.land(&verification, &verdict);
            assert_eq!(shared.known(&digest).is_some(), is_good, "{signals:?}");
            assert_eq!(pending.try_recv().is_ok(), is_good, "{signals:?}");
            assert!(lock(&shared.cache).changed.is_empty());
        }
    }

    #[test]
    fn first_uses_at_once_share_one_hashing() {
        let bench = Bench::new();
        let (_, key) = bench.key(|_| {});
        let attempts: Vec<_> = (0..50).map(|_| bench.auth.authenticate(&key, CLIENT)).collect();
        for attempt in attempts {
            match attempt {
                Attempt::Done(session) => drop(session.unwrap()),
                Attempt::Pending(Pending(verdict)) => {
                    drop(Pending::finish(verdict.blocking_recv().unwrap()).unwrap());
                }
            }
        }
        assert_eq!(bench.auth.hashings(), 1);
    }

    #[test]
    fn guessing_is_slowed_down_and_locks_nobody_out() {
        let bench = Bench::new();
        let (_, good) = bench.key(|_| {});
        assert!(bench.ask(&good).is_ok());
        for guess in 0..5 {
            let key = ApiKey::generate(Environment::Live, &[guess; 32]);
            assert_eq!(bench.refusal(key.text().expose()), ErrorKind::Unauthenticated);
        }
        let next = ApiKey::generate(Environment::Live, &[99; 32]);
        let refused = bench.ask(next.text().expose()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::RateLimit);
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(12)));
        let (_, uncached) = bench.key(|_| {});
        assert!(bench.ask(&good).is_ok() && bench.ask(&uncached).is_ok());
        assert!(bench.auth.authenticate_operator("the operator", CLIENT).is_ok());
        let other = "198.51.100.9".parse().unwrap();
        let Attempt::Pending(Pending(verdict)) =
            bench.auth.authenticate(next.text().expose(), other)
        else {
            panic!("an unknown key is looked up")
        };
        assert!(matches!(verdict.blocking_recv().unwrap(), Verdict::Refused));
    }

    #[test]
    fn guesses_at_one_key_cost_few_hashings_and_block_that_key_alone() {
        let bench = Bench::new();
        let (_, victim) = bench.key_of(&[7; 32], |_| {});
        let (_, other) = bench.key(|_| {});
        for guess in 10..30 {
            let mut random = [guess; 32];
            random[..12].fill(7); // The prefix is the victim's.
            let guess = ApiKey::generate(Environment::Live, &random);
            assert!(bench.ask(guess.text().expose()).is_err());
        }
        assert_eq!(bench.auth.hashings(), 5);
        assert_eq!(bench.refusal(&victim), ErrorKind::RateLimit);
        assert!(bench.ask(&other).is_ok());
        bench.ambient.advance(Duration::from_secs(12));
        assert!(bench.ask(&victim).is_ok());
    }

    #[test]
    fn keys_without_a_limit_of_their_own_have_those_of_the_classes() {
        let bench = Bench::new();
        let (_, key) = bench.key(|_| {});
        let limits = bench.ask(&key).unwrap().rate_limits;
        let of = |class| limits.of(class).limit;
        assert_eq!((of(RateClass::Read), of(RateClass::Write)), (60, 6));
    }

    #[test]
    fn the_operator_is_known_by_the_token_alone() {
        let bench = Bench::new();
        let (_, key) = bench.key(|_| {});
        let ask = |token: &str| bench.auth.authenticate_operator(token, CLIENT);
        assert!(ask("the operator").is_ok());
        for _ in 0..20 {
            assert_eq!(ask(&key).unwrap_err().kind(), ErrorKind::Unauthenticated);
        }
        for _ in 0..5 {
            assert_eq!(ask("a guess").unwrap_err().kind(), ErrorKind::Unauthenticated);
        }
        assert_eq!(ask("a guess").unwrap_err().kind(), ErrorKind::RateLimit);
    }

    #[test]
    fn one_ipv6_host_is_one_client() {
        let of = |address: &str| network(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:198.51.100.1"), of("198.51.100.1"));
    }
}
