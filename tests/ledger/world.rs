//! Random interleavings of everything that moves credits, crashes included, held against the books after each
//! step.

use std::{cell::Cell, time::Duration};

use super::{
    account::{Account, PROJECT_LIMIT, payer},
    books::{Amounts, Spent},
    step::{Step, step},
    tally::Tally,
};
use crate::support::deeds::{Deeds, caller, failure, micros, model, success};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use skai_server::{
    app::{
        Caller,
        credits::{self, EntryFilter},
        jobs,
    },
    domain::{
        Bucket, EntryKind, Environment, Error, ErrorKind, GrantId, JobErrorCode, JobStatus, Month,
        PageRequest, Payer, Split, Timestamp,
    },
    store::{
        grants::{self, Correction},
        jobs::Job,
        ledger::Balance,
        queue::Claimed,
        spending,
    },
};

/// A job as the model sees it.
struct Modelled {
    account: usize,
    job: Job,
    status: JobStatus,
    estimate: i64,
    held: Amounts,
    /// Who pays for it, and in which month.
    paid_in: (Month, usize),
    /// Attempts that somebody believes to be making; only the newest may count.
    attempts: Vec<(Claimed, Job)>,
    /// Whether the newest attempt holds the lease.
    leased: bool,
    /// What grants paid of its charge, and what none did.
    paid_by: Vec<(Option<GrantId>, i64)>,
}

struct World {
    deeds: Deeds,
    accounts: Vec<Account>,
    jobs: Vec<Modelled>,
    claims: i64,
    boot: i64,
    project_limit: Option<i64>,
    tally: Tally,
    audited: Audited,
}

/// The last version of the database that the audit found nothing wrong with.
struct Audited {
    outside: rusqlite::Connection,
    version: Cell<i64>,
}

impl Audited {
    fn nothing(deeds: &Deeds) -> Self {
        Self { outside: deeds.outside(), version: Cell::new(0) }
    }

    /// Audits unless the last audit saw these same rows.
    fn renew(&self, deeds: &Deeds) {
        let version = self.outside.query_row("pragma data_version", [], |row| row.get(0)).unwrap();
        if self.version.replace(version) != version {
            deeds.verify();
        }
    }
}

/// A database serves some worlds, each with accounts of its own: to make one takes longer than many steps. The
/// audit sees what all of them did.
const WORLDS: usize = 10;

impl World {
    fn new() -> Self {
        Self::on(Deeds::new([model("m", 0)]), 1)
    }

    fn on(deeds: Deeds, boot: i64) -> Self {
        let accounts = ["one", "two"].map(|name| Account::new(deeds.account(name))).into();
        let (jobs, project_limit, tally) = (Vec::new(), PROJECT_LIMIT, Tally::default());
        let audited = Audited::nothing(&deeds);
        let mut world =
            Self { deeds, accounts, jobs, claims: 0, boot, project_limit, tally, audited };
        // One of them has credits that end, so that some end while they are set aside.
        world.grant(0, true, 150, Some(100));
        world.grant(1, false, 250, None);
        world
    }

    /// A world with nothing in it, on the database of another that came to its end. The number of the start
    /// rises, so that no lease is like one of before.
    fn next(self) -> Self {
        Self::on(self.deeds, self.boot + 1)
    }

    fn now(&self) -> Timestamp {
        self.deeds.ambient.now()
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
            Step::Submit { account, key, estimate } => self.submit(account, key, estimate),
            Step::Pass { seconds } => self.pass(Duration::from_secs(seconds)),
            Step::PassDays { days } => self.pass(Duration::from_hours(24 * days)),
            Step::Limit { limit } => self.project_limit = limit,
            Step::TakeBack { account, grant, amount } => self.take_back(account, grant, amount),
            Step::Crash => self.crash(),
            Step::Begin { job }
            | Step::Succeed { job, .. }
            | Step::Fail { job, .. }
            | Step::GiveUp { job, .. }
            | Step::Cancel { job }
            | Step::Retry { job, .. } => {
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
            Step::Retry { key, .. } => self.retry(at, key),
            _ => unreachable!("{step:?} is about no job"),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.deeds.ambient.advance(time);
        credits::expire_due_grants(&self.deeds.app).unwrap();
        let now = self.now();
        for account in &mut self.accounts {
            account.books.expire(now);
            if account.books.holds_expired(now) {
                self.tally.saw("expired while held");
            }
        }
    }

    /// Whoever held a lease holds it no more; the job waits again. Where none is open nothing can be lost, and a start
    /// takes longer than many steps.
    fn crash(&mut self) {
        if self.jobs.iter().all(|job| job.status.is_terminal()) {
            return;
        }
        self.boot += 1;
        self.tally.saw("crashed while open");
        self.deeds = self.deeds.crashed([model("m", 0)], self.boot);
        self.audited = Audited::nothing(&self.deeds);
        self.jobs.iter_mut().for_each(|job| job.leased = false);
    }

    fn newest_grant(&self, account: usize) -> GrantId {
        let page = PageRequest::parse(Some("1"), None).unwrap();
        let scope = self.accounts[account].scope;
        credits::grants(&self.deeds.app, scope, &page).unwrap().data[0].id
    }

    fn grant(&mut self, account: usize, free: bool, amount: i64, expires_in_s: Option<u64>) {
        let (bucket, at) = bucket(free);
        let expires_at = expires_in_s.map(|seconds| self.now().plus(Duration::from_secs(seconds)));
        let id = self.accounts[account].scope.account_id();
        self.deeds.grant(id, bucket, amount, expires_at);
        self.accounts[account].books.give(at, amount, expires_at);
        let grant = self.newest_grant(account);
        self.accounts[account].grants.push(grant);
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
        let id = self.accounts[account].scope.account_id();
        credits::adjust(&self.deeds.app, id, request, None, None, |_| Ok(vec![])).wait().unwrap();
        if delta > 0 {
            self.accounts[account].books.give(at, delta, None);
            let grant = self.newest_grant(account);
            self.accounts[account].grants.push(grant);
        } else {
            self.accounts[account].books.take(at, -delta);
        }
    }

    fn take_back(&mut self, account: usize, grant: usize, amount: i64) {
        let account = &mut self.accounts[account];
        let grant = grant % account.grants.len();
        let (id, at) = (account.grants[grant], account.books.grants[grant].bucket);
        let bucket = Bucket::ALL[at];
        let removed = self.deeds.app.store.write(account.scope, move |tx| {
            let by = Correction {
                bucket,
                amount: micros(amount),
                reason: "refund",
                request_id: None,
                stripe_event: None,
            };
            grants::remove(tx, Some(id), &by)
        });
        removed.wait().unwrap();
        self.tally.saw("taken back");
        account.books.take_back(grant, amount);
    }

    fn caller(&self, account: usize, key: usize) -> Caller {
        Caller {
            trace: None,
            payer: Some(payer(key, self.project_limit)),
            ..caller(self.accounts[account].scope)
        }
    }

    fn submit(&mut self, account: usize, key: usize, estimate: i64) {
        let more = json!({"max_tokens": estimate});
        let submitted = self.deeds.submit_as(&self.caller(account, key), &more);
        let limit = self.project_limit;
        let refusal = self.accounts[account].refusal(key, limit, estimate, self.now());
        assert_eq!(submitted.as_ref().err().map(Error::kind), refusal);
        self.tally.saw(name_of(refusal));
        let Ok(job) = submitted else { return };
        let now = self.now();
        let held = self.accounts[account].set_aside(key, estimate, now);
        self.jobs.push(Modelled {
            account,
            job,
            status: JobStatus::Queued,
            estimate,
            held,
            paid_in: (Month::of(now), key),
            attempts: Vec::new(),
            leased: false,
            paid_by: Vec::new(),
        });
    }

    /// Leases the job, if it waits. The token names the start that leases it.
    fn begin(&mut self, at: usize) {
        self.claims += 1;
        let token = (self.boot << 32) | self.claims;
        let job = &mut self.jobs[at];
        if job.leased || job.status.is_terminal() {
            assert!(self.deeds.claim(job.job.seq, token).is_none());
            return;
        }
        job.attempts.push(self.deeds.begin(job.job.seq, token));
        (job.status, job.leased) = (JobStatus::Running, true);
    }

    /// The reservation of a job that is over comes back.
    fn give_back(&mut self, at: usize, to: JobStatus) {
        let job = &mut self.jobs[at];
        (job.status, job.leased) = (to, false);
        let account = &mut self.accounts[job.account];
        account.books.hold(job.held, -1);
        account.spent.get_mut(&job.paid_in).unwrap().reserved -= job.estimate;
    }

    fn charge(&mut self, at: usize, cost: i64) {
        let job = &mut self.jobs[at];
        let account = &mut self.accounts[job.account];
        account.spent.get_mut(&job.paid_in).unwrap().charged += cost;
        let parts = account.books.charge(cost);
        self.tally.saw(if parts.iter().any(|(grant, _)| grant.is_none()) {
            "charged beyond the grants"
        } else {
            "charged"
        });
        job.paid_by = parts
            .into_iter()
            .map(|(grant, part)| (grant.map(|at| account.grants[at]), part))
            .collect();
    }

    /// Ends the newest attempt. It counts only while its lease is valid.
    fn end(&mut self, at: usize, cost: Option<i64>, again: bool) {
        if !self.jobs[at].leased && !self.jobs[at].status.is_terminal() {
            self.begin(at);
        }
        let now = self.now();
        let job = &mut self.jobs[at];
        let Some((claimed, begun)) = job.attempts.last().cloned() else { return };
        let outcome = match cost {
            Some(cost) => success(cost),
            None => failure(again.then_some(now)),
        };
        let recorded = self.deeds.finish(&claimed, begun, outcome);
        assert_eq!(recorded, job.leased, "only the holder of the lease records an outcome");
        match cost {
            _ if !recorded => self.tally.saw("ended too late"),
            None if again => (job.status, job.leased) = (JobStatus::Queued, false),
            None => self.give_back(at, JobStatus::Failed),
            Some(cost) => {
                self.give_back(at, JobStatus::Succeeded);
                self.charge(at, cost);
            }
        }
    }

    fn give_up(&mut self, at: usize, expired: bool) {
        self.begin(at);
        let job = &self.jobs[at];
        let Some((claimed, _)) = job.attempts.last().cloned() else { return };
        let code = if expired { JobErrorCode::Expired } else { JobErrorCode::CrashLoop };
        let recorded = jobs::give_up(&self.deeds.app, &claimed, code).wait().unwrap();
        assert_eq!(recorded, job.leased);
        if recorded {
            let to = if expired { JobStatus::Expired } else { JobStatus::Failed };
            self.give_back(at, to);
            self.tally.saw("given up");
        }
    }

    fn cancel(&mut self, at: usize) {
        let job = &self.jobs[at];
        let caller = self.caller(job.account, job.paid_in.1);
        let canceled = self.deeds.cancel(&caller, job.job.id);
        if job.status.is_terminal() {
            assert_eq!(canceled.unwrap_err().kind(), ErrorKind::Conflict);
            return;
        }
        canceled.unwrap();
        self.give_back(at, JobStatus::Canceled);
        self.tally.saw("canceled");
    }

    /// Whoever retries pays.
    fn retry(&mut self, at: usize, key: usize) {
        let Modelled { account, estimate, status, .. } = self.jobs[at];
        let id = self.jobs[at].job.id;
        let caller = self.caller(account, key);
        let retried = jobs::retry(&self.deeds.app, &caller, id, None, |_| Ok(Vec::new())).wait();
        let refusal = if !status.is_terminal() || status == JobStatus::Succeeded {
            Some(ErrorKind::Conflict)
        } else {
            self.accounts[account].refusal(key, self.project_limit, estimate, self.now())
        };
        assert_eq!(retried.as_ref().err().map(Error::kind), refusal);
        if retried.is_ok() {
            self.tally.saw("retried");
            let now = self.now();
            let held = self.accounts[account].set_aside(key, estimate, now);
            let job = &mut self.jobs[at];
            (job.held, job.status) = (held, JobStatus::Queued);
            job.paid_in = (Month::of(now), key);
        }
    }

    fn check(&self) {
        self.accounts.iter().for_each(|account| self.check_account(account));
        for job in &self.jobs {
            let stored = self.deeds.job(self.accounts[job.account].scope, job.job.id);
            assert_eq!(stored.status, job.status);
        }
        self.audited.renew(&self.deeds);
    }

    fn check_account(&self, account: &Account) {
        let Balance { available, reserved, .. } = self.deeds.balance(account.scope);
        let amounts = |split: Split| [split.free.micros(), split.paid.micros()];
        let books = &account.books;
        assert_eq!((amounts(available), amounts(reserved)), (books.available, books.reserved));
        let page = PageRequest::parse(Some("100"), None).unwrap();
        let grants = credits::grants(&self.deeds.app, account.scope, &page).unwrap().data;
        let mut left: Vec<_> = grants.iter().map(|it| (it.id, it.remaining.micros())).collect();
        left.reverse();
        let remaining = books.grants.iter().map(|it| it.remaining);
        let expected: Vec<_> = account.grants.iter().copied().zip(remaining).collect();
        assert_eq!(left, expected);
        for ((month, key), expected) in &account.spent {
            let (month, Payer { project, key: id, .. }) = (*month, payer(*key, None));
            let store = &self.deeds.app.store;
            let spent = store.read(account.scope, |it| spending::of_key(it, month, project, id));
            let spent = spent.unwrap();
            let (charged, reserved) = (spent.charged.micros(), spent.reserved.micros());
            assert_eq!(Spent { charged, reserved }, *expected);
        }
    }

    /// Each charge says which grants paid for it.
    fn check_charges(&self) {
        for job in &self.jobs {
            let scope = self.accounts[job.account].scope;
            let (kind, of) = (Some(EntryKind::Charge), Some(job.job.id));
            let filter = EntryFilter { kind, job: of, ..EntryFilter::default() };
            let page = PageRequest::parse(Some("100"), None).unwrap();
            let found = credits::entries(&self.deeds.app, scope, filter, &page).unwrap().data;
            let mut parts: Vec<_> =
                found.iter().map(|it| (it.grant_id, -it.delta.micros())).collect();
            parts.reverse();
            assert_eq!(parts, job.paid_by);
        }
    }
}

fn bucket(free: bool) -> (Bucket, usize) {
    if free { (Bucket::Free, 0) } else { (Bucket::Paid, 1) }
}

/// What is counted where a job was asked for.
fn name_of(refusal: Option<ErrorKind>) -> &'static str {
    match refusal {
        None => "accepted",
        Some(ErrorKind::InsufficientCredits) => "refused for want of credits",
        Some(_) => "refused by a budget",
    }
}

fn live_through(world: &mut World, steps: &[Step]) {
    for step in steps {
        world.take(step);
        world.check();
    }
    world.check_charges();
}

/// Worlds that many lists of steps are lived through in, one after the other. Gives what happened in them.
fn interleavings(cases: u32, steps: std::ops::Range<usize>) -> Tally {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let (pool, tally) = (Cell::new(None), Cell::new(Tally::default()));
    let lived = TestRunner::new(config).run(&prop::collection::vec(step(), steps), |steps| {
        let (mut world, used) = match pool.take() {
            Some((world, used)) if used < WORLDS => (World::next(world), used + 1),
            _ => (World::new(), 1),
        };
        live_through(&mut world, &steps);
        tally.set(tally.take().and(std::mem::take(&mut world.tally)));
        pool.set(Some((world, used)));
        Ok(())
    });
    lived.unwrap();
    tally.into_inner()
}

/// 10,000 interleavings, in parts that share the cores.
#[test]
fn the_books_are_those_of_the_model() {
    let tally = std::thread::scope(|threads| {
        let parts = [(); 4].map(|()| threads.spawn(|| interleavings(2_500, 4..20)));
        parts.into_iter().map(|part| part.join().unwrap()).fold(Tally::default(), Tally::and)
    });
    tally.assert_at_least(&[
        ("accepted", 8_000),
        ("refused for want of credits", 1_200),
        ("refused by a budget", 40),
        ("charged", 2_000),
        ("charged beyond the grants", 150),
        ("ended too late", 2_500),
        ("given up", 800),
        ("canceled", 600),
        ("retried", 400),
        ("taken back", 2_400),
        ("expired while held", 400),
        ("crashed while open", 400),
    ]);
}

#[test]
fn so_they_are_after_a_long_time() {
    interleavings(48, 60..120);
}
