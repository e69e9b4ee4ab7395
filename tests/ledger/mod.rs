//! The books against an independent model of them: whatever deeds are done in whatever order, the
//! balances are those of the model, and the audit finds nothing wrong.

mod audit;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use skai_server::{
    app::{
        accounts, api_keys,
        credits::{self, EntryFilter},
        jobs, ledger_audit,
    },
    domain::{
        ApiKey, Bucket, EntryKind, Environment, ErrorKind, Idempotency, IdempotencyKey,
        JobErrorCode, JobStatus, PageRequest, ScopeSet, Split, Timestamp,
    },
    store::{AccountScope, jobs::Job, ledger::Balance, queue::Claimed},
    workers::Maintenance,
};

use crate::support::deeds::{Deeds, caller, failure, micros, model, success};

/// Something that somebody does. Indexes are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Grant { account: usize, free: bool, amount: i64, expires_in_s: Option<u64> },
    Adjust { account: usize, free: bool, delta: i64 },
    Submit { account: usize, estimate: i64 },
    Begin { job: usize },
    Succeed { job: usize, cost: i64 },
    Fail { job: usize, again: bool },
    GiveUp { job: usize, expired: bool },
    Cancel { job: usize },
    Retry { job: usize },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let job = 0_usize..16;
    let account = 0_usize..2;
    prop_oneof![
        2 => (account.clone(), any::<bool>(), 1_i64..300, prop::option::of(1_u64..200)).prop_map(
            |(account, free, amount, expires_in_s)| Step::Grant { account, free, amount, expires_in_s }
        ),
        1 => (account.clone(), any::<bool>(), (-100_i64..100).prop_filter("not zero", |d| *d != 0))
            .prop_map(|(account, free, delta)| Step::Adjust { account, free, delta }),
        4 => (account, 0_i64..80).prop_map(|(account, estimate)| Step::Submit { account, estimate }),
        2 => job.clone().prop_map(|job| Step::Begin { job }),
        3 => (job.clone(), 0_i64..160).prop_map(|(job, cost)| Step::Succeed { job, cost }),
        2 => (job.clone(), any::<bool>()).prop_map(|(job, again)| Step::Fail { job, again }),
        1 => (job.clone(), any::<bool>()).prop_map(|(job, expired)| Step::GiveUp { job, expired }),
        1 => job.clone().prop_map(|job| Step::Cancel { job }),
        2 => job.prop_map(|job| Step::Retry { job }),
        1 => (1_u64..100).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// Microcredits by bucket: free, paid.
type Amounts = [i64; 2];

#[derive(Clone, Default)]
struct Books {
    available: Amounts,
    reserved: Amounts,
    grants: Vec<Given>,
}

#[derive(Clone)]
struct Given {
    bucket: usize,
    remaining: i64,
    expires_at: Option<Timestamp>,
}

impl Books {
    /// Free credits as far as they go, the rest from the paid ones.
    fn split(&self, amount: i64) -> Amounts {
        let free = amount.min(self.available[0].max(0));
        [free, amount - free]
    }

    /// Grants shrink, soonest-expiring first, older before newer.
    fn spend(&mut self, bucket: usize, mut amount: i64) {
        let mut grants: Vec<&mut Given> =
            self.grants.iter_mut().filter(|grant| grant.bucket == bucket).collect();
        grants.sort_by_key(|grant| grant.expires_at.map_or(i64::MAX, Timestamp::millis));
        for grant in grants {
            let part = grant.remaining.min(amount).max(0);
            grant.remaining -= part;
            amount -= part;
        }
    }

    /// What pays a debt is spent at once.
    fn give(&mut self, bucket: usize, amount: i64, expires_at: Option<Timestamp>) {
        let debt = (-self.available[bucket] - self.reserved[bucket]).clamp(0, amount);
        self.available[bucket] += amount;
        self.grants.push(Given { bucket, remaining: amount - debt, expires_at });
    }

    fn hold(&mut self, held: Amounts, sign: i64) {
        for (bucket, amount) in held.into_iter().enumerate() {
            self.available[bucket] -= sign * amount;
            self.reserved[bucket] += sign * amount;
        }
    }

    fn charge(&mut self, cost: i64) {
        let parts = self.split(cost);
        for (bucket, part) in parts.into_iter().enumerate() {
            self.available[bucket] -= part;
            self.spend(bucket, part);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        self.grants.sort_by_key(|grant| grant.expires_at.map_or(i64::MAX, Timestamp::millis));
        let mut set_aside = self.reserved;
        for grant in &mut self.grants {
            if grant.expires_at.is_some_and(|at| at <= now) {
                let held = grant.remaining.min(set_aside[grant.bucket]);
                set_aside[grant.bucket] -= held;
                let part = (grant.remaining - held).min(self.available[grant.bucket]).max(0);
                grant.remaining -= part;
                self.available[grant.bucket] -= part;
            }
        }
    }
}

/// A job as the model sees it.
struct Modelled {
    account: usize,
    job: Job,
    status: JobStatus,
    estimate: i64,
    held: Amounts,
    /// Attempts that somebody believes to be making; only the newest may count.
    attempts: Vec<(Claimed, Job)>,
    /// Whether the newest attempt holds the lease.
    leased: bool,
}

struct World {
    deeds: Deeds,
    accounts: Vec<AccountScope>,
    books: Vec<Books>,
    jobs: Vec<Modelled>,
    token: i64,
    spent: i64,
}

impl World {
    fn new() -> Self {
        let deeds = Deeds::new([model("m", 0)]);
        let accounts = vec![deeds.account("one"), deeds.account("two")];
        let books = vec![Books::default(), Books::default()];
        Self { deeds, accounts, books, jobs: Vec::new(), token: 0, spent: 0 }
    }

    fn pick(&self, job: usize) -> Option<usize> {
        (!self.jobs.is_empty()).then(|| job % self.jobs.len())
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Grant { account, free, amount, expires_in_s } => {
                self.grant(account, free, amount, expires_in_s);
            }
            Step::Adjust { account, free, delta } => self.adjust(account, free, delta),
            Step::Submit { account, estimate } => self.submit(account, estimate),
            Step::Pass { seconds } => {
                self.deeds.ambient.advance(Duration::from_secs(seconds));
                credits::expire_due_grants(&self.deeds.app).unwrap();
                let now = self.deeds.ambient.now();
                self.books.iter_mut().for_each(|books| books.expire(now));
            }
            Step::Begin { job }
            | Step::Succeed { job, .. }
            | Step::Fail { job, .. }
            | Step::GiveUp { job, .. }
            | Step::Cancel { job }
            | Step::Retry { job } => {
                if let Some(at) = self.pick(job) {
                    self.take_with_job(step, at);
                }
            }
        }
    }

    fn take_with_job(&mut self, step: &Step, at: usize) {
        match *step {
            Step::Begin { .. } => self.begin(at),
            Step::Succeed { cost, .. } => self.end(at, Some(cost), false),
            Step::Fail { again, .. } => self.end(at, None, again),
            Step::GiveUp { expired, .. } => self.give_up(at, expired),
            Step::Cancel { .. } => self.cancel(at),
            _ => self.retry(at),
        }
    }

    fn grant(&mut self, account: usize, free: bool, amount: i64, expires_in_s: Option<u64>) {
        let (bucket, at) = bucket(free);
        let now = self.deeds.ambient.now();
        let expires_at = expires_in_s.map(|seconds| now.plus(Duration::from_secs(seconds)));
        self.deeds.grant(self.accounts[account].account_id(), bucket, amount, expires_at);
        self.books[account].give(at, amount, expires_at);
    }

    fn adjust(&mut self, account: usize, free: bool, delta: i64) {
        let (bucket, at) = bucket(free);
        let reason = "test".to_owned();
        let request = credits::AdjustRequest {
            amount: micros(delta),
            bucket,
            reason,
            environment: Environment::Live,
        };
        let id = self.accounts[account].account_id();
        credits::adjust(&self.deeds.app, id, request, None, None, |_| Ok(vec![])).wait().unwrap();
        if delta > 0 {
            self.books[account].give(at, delta, None);
        } else {
            self.books[account].available[at] += delta;
            self.books[account].spend(at, -delta);
        }
    }

    /// What can be set aside: not what has expired, also where it was given back only now.
    fn spendable(&self, account: usize) -> Books {
        let mut books = self.books[account].clone();
        books.expire(self.deeds.ambient.now());
        books
    }

    fn can_pay(&self, account: usize, amount: i64) -> bool {
        let [free, paid] = self.spendable(account).available;
        amount <= (free + paid).max(0)
    }

    fn submit(&mut self, account: usize, estimate: i64) {
        // Nobody can ask for no tokens, so a job for nothing is one of the free model.
        let more = json!({"max_tokens": estimate.max(1)});
        let estimate = estimate.max(1);
        let submitted = self.deeds.submit(self.accounts[account], &more);
        if !self.can_pay(account, estimate) {
            assert_eq!(submitted.unwrap_err().kind(), ErrorKind::InsufficientCredits);
            return;
        }
        let held = self.spendable(account).split(estimate);
        self.books[account].hold(held, 1);
        self.jobs.push(Modelled {
            account,
            job: submitted.unwrap(),
            status: JobStatus::Queued,
            estimate,
            held,
            attempts: Vec::new(),
            leased: false,
        });
    }

    /// Leases the job, if it waits.
    fn begin(&mut self, at: usize) {
        self.token += 1;
        let job = &mut self.jobs[at];
        if job.leased || job.status.is_terminal() {
            assert!(self.deeds.claim(job.job.seq, self.token).is_none());
            return;
        }
        job.attempts.push(self.deeds.begin(job.job.seq, self.token));
        (job.status, job.leased) = (JobStatus::Running, true);
    }

    /// Ends the newest attempt. It counts only while its lease is valid.
    fn end(&mut self, at: usize, cost: Option<i64>, again: bool) {
        if !self.jobs[at].leased && !self.jobs[at].status.is_terminal() {
            self.begin(at);
        }
        let now = self.deeds.ambient.now();
        let job = &mut self.jobs[at];
        let Some((claimed, begun)) = job.attempts.last().cloned() else { return };
        let outcome = match cost {
            Some(cost) => success(cost),
            None => failure(again.then_some(now)),
        };
        let recorded = self.deeds.finish(&claimed, begun, outcome);
        assert_eq!(recorded, job.leased, "only the holder of the lease records an outcome");
        if !recorded {
            return;
        }
        job.leased = false;
        if again && cost.is_none() {
            job.status = JobStatus::Queued;
            return;
        }
        self.books[job.account].hold(job.held, -1);
        job.status = JobStatus::Failed;
        if let Some(cost) = cost {
            self.books[job.account].charge(cost);
            job.status = JobStatus::Succeeded;
            self.spent += cost;
        }
    }

    fn give_up(&mut self, at: usize, expired: bool) {
        self.begin(at);
        let job = &mut self.jobs[at];
        let Some((claimed, _)) = job.attempts.last().cloned() else { return };
        let code = if expired { JobErrorCode::Expired } else { JobErrorCode::CrashLoop };
        let recorded = jobs::give_up(&self.deeds.app, &claimed, code).wait().unwrap();
        assert_eq!(recorded, job.leased);
        if recorded {
            job.leased = false;
            job.status = if expired { JobStatus::Expired } else { JobStatus::Failed };
            self.books[job.account].hold(job.held, -1);
        }
    }

    fn cancel(&mut self, at: usize) {
        let job = &mut self.jobs[at];
        let caller = caller(self.accounts[job.account]);
        let app = &self.deeds.app;
        let canceled = jobs::cancel(app, &caller, job.job.id, None, |_| Ok(Vec::new())).wait();
        if job.status.is_terminal() {
            assert_eq!(canceled.unwrap_err().kind(), ErrorKind::Conflict);
            return;
        }
        canceled.unwrap();
        (job.status, job.leased) = (JobStatus::Canceled, false);
        self.books[job.account].hold(job.held, -1);
    }

    fn retry(&mut self, at: usize) {
        let Modelled { account, estimate, status, .. } = self.jobs[at];
        let caller = caller(self.accounts[account]);
        let app = &self.deeds.app;
        let id = self.jobs[at].job.id;
        let retried = jobs::retry(app, &caller, id, None, |_| Ok(Vec::new())).wait();
        if !status.is_terminal() || status == JobStatus::Succeeded {
            assert_eq!(retried.unwrap_err().kind(), ErrorKind::Conflict);
        } else if !self.can_pay(account, estimate) {
            assert_eq!(retried.unwrap_err().kind(), ErrorKind::InsufficientCredits);
        } else {
            retried.unwrap();
            let held = self.spendable(account).split(estimate);
            self.books[account].hold(held, 1);
            let job = &mut self.jobs[at];
            (job.held, job.status) = (held, JobStatus::Queued);
        }
    }

    fn check(&self) {
        for (scope, books) in self.accounts.iter().zip(&self.books) {
            let Balance { available, reserved, .. } = self.deeds.balance(*scope);
            let amounts = |split: Split| [split.free.micros(), split.paid.micros()];
            assert_eq!((amounts(available), amounts(reserved)), (books.available, books.reserved));
        }
        for job in &self.jobs {
            let stored = self.deeds.job(self.accounts[job.account], job.job.id);
            assert_eq!(stored.status, job.status);
        }
        self.deeds.verify();
    }

    /// All charges of both ledgers together are all costs.
    fn check_totals(&self) {
        let mut charged = 0;
        for scope in &self.accounts {
            let filter =
                credits::EntryFilter { kind: Some(EntryKind::Charge), ..Default::default() };
            let mut page = PageRequest::default();
            loop {
                let found =
                    credits::entries(&self.deeds.app, *scope, filter.clone(), &page).unwrap();
                charged -= found.data.iter().map(|entry| entry.delta.micros()).sum::<i64>();
                let Some(next) = found.next_cursor else { break };
                page = PageRequest::parse(Some("7"), Some(&next)).unwrap();
            }
        }
        assert_eq!(charged, self.spent);
    }
}

fn bucket(free: bool) -> (Bucket, usize) {
    if free { (Bucket::Free, 0) } else { (Bucket::Paid, 1) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_books_are_those_of_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        world.check_totals();
    }
}

#[test]
fn a_charge_says_which_grants_paid_for_it() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_hours(1));
    for (bucket, amount, expires_at) in
        [(Bucket::Paid, 10, None), (Bucket::Free, 3, None), (Bucket::Free, 4, Some(soon))]
    {
        deeds.grant(scope.account_id(), bucket, amount, expires_at);
        deeds.ambient.advance(Duration::from_secs(1));
    }
    let grants = credits::grants(&deeds.app, scope, &PageRequest::default()).unwrap().data;
    let [expiring, free, paid] = [0, 1, 2].map(|at| grants[at].id);
    let job = deeds.submit(scope, &json!({"max_tokens": 1})).unwrap();
    let (claimed, begun) = deeds.begin(job.seq, 1);
    deeds.finish(&claimed, begun, success(20));
    let charges = || {
        let filter = EntryFilter { kind: Some(EntryKind::Charge), ..EntryFilter::default() };
        let found = credits::entries(&deeds.app, scope, filter, &PageRequest::default()).unwrap();
        found.data.iter().rev().map(|it| (it.grant_id, it.delta.micros())).collect::<Vec<_>>()
    };
    let paid_by = [(Some(expiring), -4), (Some(free), -3), (Some(paid), -10), (None, -3)];
    assert_eq!(charges(), paid_by);
    deeds.verify();
    // What no grant covered is what the next one pays first.
    deeds.grant(scope.account_id(), Bucket::Paid, 5, None);
    let next = &credits::grants(&deeds.app, scope, &PageRequest::default()).unwrap().data[0];
    assert_eq!((next.amount, next.remaining), (micros(5), micros(2)));
    deeds.verify();
}

#[test]
fn the_ledger_is_listed_by_job_kind_time_and_page() {
    let deeds = Deeds::new([model("m", 0)]);
    let (scope, other) = (deeds.account("a"), deeds.account("b"));
    deeds.grant(scope.account_id(), Bucket::Free, 10, None);
    deeds.grant(scope.account_id(), Bucket::Paid, 100, None);
    let before = deeds.ambient.now();
    deeds.ambient.advance(Duration::from_mins(1));
    let job = deeds.submit(scope, &json!({"max_tokens": 30})).unwrap();
    let (claimed, begun) = deeds.begin(job.seq, 1);
    assert!(deeds.finish(&claimed, begun, success(15)));

    let list = |scope, filter, limit: &str, cursor: Option<&str>| {
        let page = PageRequest::parse(Some(limit), cursor).unwrap();
        credits::entries(&deeds.app, scope, filter, &page).unwrap()
    };
    let of_job = credits::EntryFilter { job: Some(job.id), ..Default::default() };
    let page = list(scope, of_job.clone(), "100", None);
    let lines: Vec<_> = page
        .data
        .iter()
        .map(|e| (e.kind.as_str(), e.bucket.as_str(), e.delta.micros(), e.balance_after.micros()))
        .collect();
    let expected = [
        ("charge", "paid", -5, 95),
        ("charge", "free", -10, 100),
        ("release", "paid", 20, 110),
        ("release", "free", 10, 90),
        ("reserve", "paid", -20, 80),
        ("reserve", "free", -10, 100),
    ];
    assert_eq!(lines, expected);
    assert!(page.data.iter().all(|entry| entry.job_id == Some(job.id)
        && entry.product_name.as_deref() == Some("m")
        && entry.request_id.as_deref() == Some("req-1")));
    assert!(list(other, of_job.clone(), "100", None).data.is_empty());

    let charges = credits::EntryFilter { kind: Some(EntryKind::Charge), ..of_job };
    assert_eq!(list(scope, charges, "100", None).data.len(), 2);
    let created = Some(before..before.plus(Duration::from_secs(1)));
    let early = credits::EntryFilter { created, ..Default::default() };
    assert!(list(scope, early, "100", None).data.iter().all(|e| e.kind == EntryKind::Grant));

    let first = list(scope, credits::EntryFilter::default(), "5", None);
    let rest = list(scope, credits::EntryFilter::default(), "5", first.next_cursor.as_deref());
    let numbers: Vec<i64> = first.data.iter().chain(&rest.data).map(|entry| entry.n).collect();
    assert_eq!(numbers, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert!(rest.next_cursor.is_none());
}

#[test]
fn what_the_operator_may_not_give_is_named() {
    let deeds = Deeds::new([]);
    let account = deeds.account("a").account_id();
    let grant = |body: serde_json::Value| {
        let request = serde_json::from_str(&body.to_string()).unwrap();
        let granted = credits::grant(&deeds.app, account, request, None).wait();
        granted.map_err(|error| error.param().map(str::to_owned))
    };
    let given = grant(json!({"amount": "2.5"})).unwrap();
    assert_eq!((given.bucket, given.remaining), (Bucket::Paid, micros(2_500_000)));
    for (body, param) in [
        (json!({"amount": 0}), "amount"),
        (json!({"amount": -1}), "amount"),
        (json!({"amount": 1, "reason": " "}), "reason"),
        (json!({"amount": 1, "reason": "x".repeat(501)}), "reason"),
        (json!({"amount": 1, "expires_at": "2026-11-20T09:00:00Z"}), "expires_at"),
    ] {
        assert_eq!(grant(body).unwrap_err().as_deref(), Some(param));
    }
    let nothing = serde_json::from_str(r#"{"amount": 0}"#).unwrap();
    let refused = credits::adjust(&deeds.app, account, nothing, None, None, |_| Ok(vec![]));
    assert_eq!(refused.wait().unwrap_err().param(), Some("amount"));
    let unknown = skai_server::domain::AccountId::from_uuid(deeds.ambient.uuid());
    let request = serde_json::from_str(r#"{"amount": 1}"#).unwrap();
    let refused = credits::grant(&deeds.app, unknown, request, None).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}

#[test]
fn maintenance_lets_grants_expire_at_their_time() {
    let deeds = Deeds::new([]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_secs(90));
    deeds.grant(scope.account_id(), Bucket::Free, 10, Some(soon));
    let maintenance = Maintenance::new(deeds.app.clone());
    let free = || deeds.balance(scope).available.free.micros();
    for (seconds, expected) in [(0, 10), (89, 10), (1, 0)] {
        deeds.ambient.advance(Duration::from_secs(seconds));
        maintenance.tick();
        assert_eq!(free(), expected, "after {seconds} s more");
    }
    deeds.verify();
}

#[test]
fn what_has_expired_is_not_spent_though_nobody_took_it_back_yet() {
    let deeds = Deeds::new([model("m", 0)]);
    let scope = deeds.account("a");
    let soon = deeds.ambient.now().plus(Duration::from_secs(1));
    deeds.grant(scope.account_id(), Bucket::Free, 50, Some(soon));
    deeds.grant(scope.account_id(), Bucket::Paid, 30, None);
    let held = deeds.submit(scope, &json!({"max_tokens": 20})).unwrap();
    deeds.ambient.advance(Duration::from_secs(1));
    let refused = deeds.submit(scope, &json!({"max_tokens": 31})).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InsufficientCredits);
    let paid = deeds.submit(scope, &json!({"max_tokens": 30})).unwrap();
    assert_eq!((held.reserved.free.micros(), paid.reserved.paid.micros()), (20, 30));
    assert_eq!(credits::expire_due_grants(&deeds.app).unwrap(), 1);
    assert_eq!(deeds.balance(scope).available.total().unwrap().micros(), 0);
    deeds.verify();
}

#[test]
fn accounts_are_made_renamed_suspended_and_listed() {
    let deeds = Deeds::new([]);
    let app = &deeds.app;
    let ids: Vec<_> = ["a", "b", "c"].map(|name| deeds.account(name).account_id()).into();
    let page = PageRequest::parse(Some("2"), None).unwrap();
    let listed = accounts::list(app, &page).unwrap();
    assert_eq!(listed.data.iter().map(|a| a.id).collect::<Vec<_>>(), [ids[2], ids[1]]);

    let change = |body: &str| {
        let change = serde_json::from_str(body).unwrap();
        accounts::update(app, ids[0], change).wait()
    };
    let changed = change(r#"{"name": "d", "suspended": true}"#).unwrap();
    assert_eq!(changed.name, "d");
    assert!(changed.suspended_at.is_some());
    assert!(change(r#"{"suspended": false}"#).unwrap().suspended_at.is_none());
    assert_eq!(change(r#"{"name": ""}"#).unwrap_err().param(), Some("name"));
    let long = json!({"name": "x".repeat(201)}).to_string();
    assert_eq!(change(&long).unwrap_err().param(), Some("name"));
    assert_eq!(accounts::get(app, ids[0]).unwrap().name, "d");
}

fn request(body: &serde_json::Value) -> api_keys::KeyRequest {
    serde_json::from_str(&body.to_string()).unwrap()
}

/// The id and the secret of a created key, as a test's edge would write them.
#[expect(clippy::unnecessary_wraps, reason = "an edge's rendering may fail")]
fn render(created: &api_keys::CreatedKey) -> skai_server::domain::Result<Vec<u8>> {
    Ok(format!("{} {}", created.key.id, created.secret.expose()).into_bytes())
}

#[test]
fn keys_give_no_more_than_their_maker_has() {
    let deeds = Deeds::new([]);
    let scope = deeds.account("a");
    let mine: ScopeSet = "keys:write jobs:read".parse().unwrap();
    let refusal = |body: serde_json::Value| {
        let refused = api_keys::prepare(&deeds.app, scope, mine, &request(&body)).unwrap_err();
        (refused.kind(), refused.param().map(str::to_owned))
    };
    let past = "2026-11-20T08:00:00Z";
    let other = deeds.ambient.uuid().to_string();
    for (body, kind, param) in [
        (json!({"name": "k", "scopes": ["*"]}), ErrorKind::InsufficientScope, "scopes"),
        (json!({"name": "k", "scopes": ["jobs:write"]}), ErrorKind::InsufficientScope, "scopes"),
        (json!({"name": "k", "scopes": ["credits:write"]}), ErrorKind::InsufficientScope, "scopes"),
        (json!({"name": "k", "scopes": ["jobs"]}), ErrorKind::InvalidRequest, "scopes"),
        (json!({"name": "k", "scopes": []}), ErrorKind::InvalidRequest, "scopes"),
        (json!({"name": "", "scopes": ["jobs:read"]}), ErrorKind::InvalidRequest, "name"),
        (
            json!({"name": "k", "scopes": ["jobs:read"], "expires_at": past}),
            ErrorKind::InvalidRequest,
            "expires_at",
        ),
        (
            json!({"name": "k", "scopes": ["jobs:read"], "rate_limit": "5"}),
            ErrorKind::InvalidRequest,
            "rate_limit",
        ),
        (
            json!({"name": "k", "scopes": ["jobs:read"], "project_id": other}),
            ErrorKind::InvalidRequest,
            "project_id",
        ),
    ] {
        assert_eq!(refusal(body), (kind, Some(param.to_owned())));
    }
}

#[test]
fn a_key_is_made_once_rotated_and_revoked() {
    let deeds = Deeds::new([]);
    let (app, scope) = (&deeds.app, deeds.account("a"));
    let own_end = "2027-01-01T00:00:00Z";
    let body = json!({
        "name": "k", "scopes": ["jobs:read"], "rate_limit": "5,1m", "expires_at": own_end,
    });
    let own_end = Some(own_end.parse().unwrap());
    let key = IdempotencyKey::parse(b"one").unwrap();
    let twin = Idempotency::new("POST /v1/api-keys", &key, [7; 32]);
    let make = || {
        let prepared = api_keys::prepare(app, scope, ScopeSet::ALL, &request(&body)).unwrap();
        api_keys::create(app, prepared, Some(twin), render).wait().unwrap()
    };
    let (first, again) = (make(), make());
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.body, again.body);
    let page = PageRequest::default();
    let keys = api_keys::list(app, scope, &page).unwrap().data;
    assert_eq!(keys.len(), 1);
    let old = &keys[0];
    let text = String::from_utf8(first.body).unwrap();
    let secret = ApiKey::parse(text.split_once(' ').unwrap().1).unwrap();
    assert_eq!((old.prefix.as_str(), old.rate_limit.as_deref()), (secret.prefix(), Some("5,1m")));
    assert!(old.hash.starts_with("$argon2id$"));

    let rotate = |granted, seconds| {
        let request = api_keys::RotateRequest { overlap_seconds: seconds };
        api_keys::prepare_rotation(app, scope, granted, old.id, &request)
    };
    assert_eq!(
        rotate("keys:write".parse().unwrap(), 60).unwrap_err().kind(),
        ErrorKind::InsufficientScope
    );
    assert_eq!(rotate(ScopeSet::ALL, 2_592_001).unwrap_err().param(), Some("overlap_seconds"));
    let late = rotate(ScopeSet::ALL, 60).unwrap();
    let rotation = rotate(ScopeSet::ALL, 60).unwrap();
    api_keys::rotate(app, rotation, None, render).wait().unwrap();
    let keys = api_keys::list(app, scope, &page).unwrap().data;
    let overlap_end = Some(deeds.ambient.now().plus(Duration::from_mins(1)));
    assert_eq!((keys[1].ends_at(), keys[1].expires_at), (overlap_end, own_end));
    let copied = (&keys[0].name, &keys[0].scopes, &keys[0].rate_limit, keys[0].ends_at());
    assert_eq!(copied, (&old.name, &old.scopes, &old.rate_limit, own_end));
    assert_ne!(keys[0].prefix, old.prefix);
    // Within its overlap it can be rotated again, and the end of the overlap is nobody's own.
    let again = rotate(ScopeSet::ALL, 3600).unwrap();
    api_keys::rotate(app, again, None, render).wait().unwrap();
    let keys = api_keys::list(app, scope, &page).unwrap().data;
    assert_eq!((keys[0].ends_at(), keys[2].ends_at()), (own_end, overlap_end));

    let revoked = api_keys::revoke(app, scope, old.id).wait().unwrap();
    assert_eq!(revoked.revoked_at, Some(deeds.ambient.now()));
    let refused = api_keys::rotate(app, late, None, render).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let other = deeds.account("b");
    assert_eq!(api_keys::get(app, other, old.id).unwrap_err().kind(), ErrorKind::NotFound);
    let foreign = api_keys::revoke(app, other, keys[0].id).wait().unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    assert!(ledger_audit::verify(app).unwrap().ok);
}

#[test]
fn a_job_that_was_not_counted_as_open_does_not_end() {
    let deeds = Deeds::new([model("m", 1)]);
    let scope = deeds.account("a");
    deeds.grant(scope.account_id(), Bucket::Paid, 1_000, None);
    let job = deeds.submit(scope, &json!({})).unwrap();
    let outside = rusqlite::Connection::open(deeds.app.store.path()).unwrap();
    outside.execute("update balance set open_jobs = 0", []).unwrap();
    let cancel = jobs::cancel(&deeds.app, &caller(scope), job.id, None, |_| Ok(Vec::new()));
    assert_eq!(cancel.wait().unwrap_err().kind(), ErrorKind::ServerError);
    assert_eq!(deeds.job(scope, job.id).status, JobStatus::Queued);
}
