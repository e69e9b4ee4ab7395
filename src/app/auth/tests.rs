use std::path::Path;

use super::*;
use crate::{
    app::RateClass,
    domain::{AccountId, Environment, ErrorKind, ProjectId, Timestamp},
    store::{
        AccountScope, EngineSettings, SystemScope, accounts,
        api_keys::{self, NewApiKey},
    },
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
            sessions: crate::app::auth::SessionSettings::default(),
        };
        let auth = Authenticator::start(ambient.clone(), settings, store.clone()).unwrap();
        Self { auth, store, ambient, account, _folder: folder }
    }

    fn key(&self, change: impl FnOnce(&mut NewApiKey)) -> (ApiKeyId, String) {
        self.key_of(&self.ambient.random(), change)
    }

    fn key_of(&self, random: &[u8; 32], change: impl FnOnce(&mut NewApiKey)) -> (ApiKeyId, String) {
        let key = ApiKey::generate(Environment::Live, random);
        let mut new = NewApiKey {
            id: ApiKeyId::from_uuid(self.ambient.uuid()),
            project: 1,
            name: "key".to_owned(),
            prefix: key.prefix().to_owned(),
            hash: self.auth.hash(&key, &self.ambient.random()).unwrap(),
            scopes: "jobs:read".to_owned(),
            rate_limit: None,
            monthly_credit_limit: None,
            allowed_cidrs: None,
            origin: None,
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
            Attempt::Pending(Pending(verdict)) => Pending::finish(verdict.blocking_recv().unwrap()),
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
    let any = ProjectId::from_uuid(bench.ambient.uuid());
    let all: [(&[Signal], bool); 4] = [
        (&[Signal::KeyChanged(other)], true),
        (&[Signal::KeyChanged(id)], false),
        (&[Signal::AccountChanged], false),
        // Nobody knows the project of a key that is being verified.
        (&[Signal::ProjectChanged(any)], false),
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
fn the_keys_of_a_project_that_changed_are_verified_anew() {
    let bench = Bench::new();
    let (_, key) = bench.key(|_| {});
    let project = bench.ask(&key).unwrap().project.1;
    let other = ProjectId::from_uuid(bench.ambient.uuid());
    bench.auth.hear(&[Signal::ProjectChanged(other)]);
    assert!(matches!(bench.auth.authenticate(&key, CLIENT), Attempt::Done(Ok(_))));
    bench.auth.hear(&[Signal::ProjectChanged(project)]);
    assert!(matches!(bench.auth.authenticate(&key, CLIENT), Attempt::Pending(_)));
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
    let Attempt::Pending(Pending(verdict)) = bench.auth.authenticate(next.text().expose(), other)
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
