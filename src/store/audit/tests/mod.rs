//! Every rule is broken by somebody, and says so.

mod cases;
mod payments;

use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::{
    ambient::Ambient,
    domain::{
        ApiKeyId, BatchId, Bucket, Credits, Day, DayOfUse, EndUserId, GrantId, JobStatus, Month,
        Payer, Price, ProjectId, QueueName, Split, Tariff, Timestamp, Usage,
    },
    store::{
        AccountScope, EngineSettings, Store, Tx, accounts,
        batches::{self, NewBatch},
        canceled_jobs, end_users,
        grants::{self, NewGrant},
        jobs::{self, JobResult},
        ledger::{self, Charge, Cover, HoldParts, JobRound},
        new_jobs::{self, NewJob},
        prices,
        queue::{self, Waiting, WorkId},
        spending::{self, SetAside},
    },
};

const RESERVED: Credits = Credits::from_micros(30);
const COST: Credits = Credits::from_micros(20);
const BOUND: u64 = 100;

struct Books {
    store: Store,
    _folder: tempfile::TempDir,
}

fn job(
    tx: &Tx<'_, AccountScope>,
    ambient: &Ambient,
    batch: Option<i64>,
) -> Result<(i64, JobRound)> {
    let raw = |json: &str| serde_json::value::RawValue::from_string(json.to_owned()).unwrap();
    let new = NewJob {
        id: JobId::from_uuid(ambient.uuid()),
        project: 1,
        api_key: 1,
        model: "m".to_owned(),
        agent: None,
        batch,
        direct: false,
        user: Some("u".to_owned()),
        priority: 0,
        max_attempts: 1,
        request_id: "r".to_owned(),
        trace: None,
        run_at: tx.now(),
        price_list: 1,
        completion_bound: 1,
        messages: raw("[]"),
        output_schema: None,
        metadata: None,
        parameters: "{}".to_owned(),
    };
    let Cover::Held(held) = ledger::cover(tx, RESERVED)? else {
        panic!("the balance covers it");
    };
    let payer = Payer {
        project: ProjectId::from_uuid(uuid::Uuid::from_u128(1)),
        project_limit: None,
        key: ApiKeyId::from_uuid(uuid::Uuid::from_u128(1)),
        key_limit: None,
    };
    let spending = spending::set_aside(tx, Month::of(tx.now()), &payer, RESERVED)?;
    end_users::open(tx, EndUserId::from_uuid(ambient.uuid()), "u", BOUND)?;
    let seq = new_jobs::insert(tx, &new, SetAside { held: held.split, spending, tokens: BOUND })?;
    let round = JobRound { job: seq, round: 1 };
    let mut parts = HoldParts::of(tx, held);
    parts.reserve(round, held.split)?;
    parts.close()?;
    Ok((seq, round))
}

/// An account with a grant, a job that succeeded (number 1) and one that waits (number 2), which is a batch.
fn books() -> Books {
    Books::with(|tx, ambient, scope| {
        let micro = Credits::from_micros(1_000_000);
        let tariff = Tariff::Priced(Price { output_per_million: micro, ..Price::default() });
        let price = Some(prices::record(tx, "m", tariff)?.row);
        tx.within(scope, |tx| {
            give(tx, ambient)?;
            done(tx, ambient, price)?;
            waits(tx, ambient)
        })
    })
}

/// The same after a job (number 1) that was canceled and is gone.
fn books_without() -> Books {
    Books::with(|tx, ambient, scope| {
        tx.within(scope, |tx| {
            give(tx, ambient)?;
            let (canceled, round) = job(tx, ambient, None)?;
            let held = Split { paid: RESERVED, ..Split::default() };
            ledger::release(tx, round, held)?;
            spending::release(tx, 1, RESERVED)?;
            end_users::close(tx, "u", BOUND)?;
            jobs::end(tx, canceled, JobStatus::Canceled, &JobResult::default())?;
            waits(tx, ambient)
        })?;
        let gone = canceled_jobs::delete(tx, scope, 1, tx.now().plus(Duration::from_secs(1)))?;
        assert!(gone);
        Ok(())
    })
}

fn give(tx: &Tx<'_, AccountScope>, ambient: &Ambient) -> Result<()> {
    let new = NewGrant {
        id: GrantId::from_uuid(ambient.uuid()),
        bucket: Bucket::Paid,
        amount: Credits::from_micros(1_000),
        reason: "a".to_owned(),
        expires_at: None,
        request_id: None,
        stripe_event: None,
    };
    grants::grant(tx, &new)
}

fn done(tx: &Tx<'_, AccountScope>, ambient: &Ambient, price: Option<i64>) -> Result<()> {
    let (done, round) = job(tx, ambient, None)?;
    let held = Split { paid: RESERVED, ..Split::default() };
    spending::settle(tx, 1, RESERVED, COST)?;
    ledger::settle(tx, round, held, Charge { cost: COST, price })?;
    let result = JobResult {
        charged: COST,
        model: Some("m".to_owned()),
        usage: Some(Usage::new(0, 20)),
        ..JobResult::default()
    };
    let counted = DayOfUse { day: Day::from_number(0), tokens: 20, charged: COST };
    end_users::count(tx, "u", BOUND, &counted)?;
    jobs::end(tx, done, JobStatus::Succeeded, &result).map(drop)
}

fn waits(tx: &Tx<'_, AccountScope>, ambient: &Ambient) -> Result<()> {
    let new = NewBatch {
        id: BatchId::from_uuid(ambient.uuid()),
        metadata: None,
        request_id: "r".to_owned(),
        is_eval: false,
        total: 1,
    };
    let batch = batches::insert(tx, &new)?;
    let (waits, _) = job(tx, ambient, Some(batch))?;
    batches::add_item(tx, batch, 1, "a", waits)?;
    let id = WorkId { queue: QueueName::GenerationCreate, subject: waits };
    queue::push(tx, Waiting { id, lane: 1, priority: 0, run_at: tx.now() }, tx.now())
}

impl Books {
    /// Those of a new account after its first deeds.
    fn with(
        keep: impl Fn(&Tx<'_, SystemScope>, &Ambient, AccountScope) -> Result<()> + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = Ambient::manual(Timestamp::from_millis(1_000_000), 7);
        let settings = EngineSettings { durable: false, ..EngineSettings::default() };
        let path = folder.path().join("skai.db");
        let (store, _writer) = Store::open(&path, &settings, &ambient).unwrap();
        let made = store.write(SystemScope::new(), move |tx| {
            let (account, project) = (ambient.uuid(), ambient.uuid());
            let (account, project) = (AccountId::from_uuid(account), ProjectId::from_uuid(project));
            let scope = accounts::insert(tx, account, project, "a")?;
            keep(tx, &ambient, scope)
        });
        made.wait().unwrap();
        Self { store, _folder: folder }
    }

    /// Somebody lays hands on one row after the other.
    fn tamper(&self, tampering: &'static [&'static str]) {
        let tampered = self.store.write(SystemScope::new(), move |tx| {
            for sql in tampering {
                let changed = tx.execute(sql, []).unwrap();
                assert!(changed == 1 || sql.starts_with("drop trigger"), "{changed}: {sql}");
            }
            Ok(())
        });
        tampered.wait().unwrap();
    }

    /// What the audit says after that.
    fn after(&self, tampering: &'static [&'static str]) -> Vec<Problem> {
        self.tamper(tampering);
        let found = self.store.read(SystemScope::new(), |it| run(it, &|| false)).unwrap().problems;
        assert!(found.iter().all(|problem| !problem.repair.is_empty()));
        found
    }

    /// Whether a rule is broken.
    fn break_rule(&self, rule: Rule) -> bool {
        let broken = self.store.read(SystemScope::new(), |it| match rule {
            Rule::Stated(sql) => broken(it, sql, 1).map(|found| !found.is_empty()),
            Rule::Charges => charges::broken(it, 1).map(|found| !found.is_empty()),
            Rule::Payments => super::payments::broken(it, 1).map(|found| !found.is_empty()),
            Rule::Histograms => usage::broken(it, 1).map(|found| !found.is_empty()),
        });
        broken.unwrap()
    }
}

/// A rule of the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Stated(&'static str),
    Charges,
    Payments,
    Histograms,
}

/// What is done to the rows, and what the audit says of it.
type Case = (&'static [&'static str], &'static str);

#[test]
fn books_that_are_right_have_no_problems() {
    let books = books();
    assert_eq!(books.after(&[]), []);
    let audit = books.store.read(SystemScope::new(), |it| run(it, &|| false)).unwrap();
    assert_eq!((audit.accounts, audit.entries, audit.jobs), (1, 5, 2));
}

#[test]
fn a_job_may_be_gone_that_gave_everything_back() {
    let books = books_without();
    assert_eq!(books.after(&[]), []);
    let audit = books.store.read(SystemScope::new(), |it| run(it, &|| false)).unwrap();
    assert_eq!((audit.entries, audit.jobs), (4, 1));
}

/// Books, and what is done to them.
type Tampered = (fn() -> Books, &'static [Case]);

const ALL: [Tampered; 10] = [
    (books, cases::CHANGED),
    (books_without, cases::GONE),
    (books, cases::PRICED),
    (books, cases::CONSISTENT),
    (books, cases::OF_END_USERS),
    (books, cases::OF_LISTS),
    (books, cases::OF_ENVIRONMENTS),
    (books, cases::OF_USAGE),
    (payments::books, payments::CHANGED),
    (payments::books, payments::RETURNED),
];

#[test]
fn whatever_is_changed_is_found() {
    for (books, cases) in ALL {
        for (tampering, expected) in cases {
            let problems = books().after(tampering);
            let named = |problem: &Problem| problem.what.contains(expected);
            assert!(problems.iter().any(named), "{tampering:?}: {expected}: {problems:#?}");
            assert!(problems.iter().all(|problem| problem.what.starts_with("account 0000000")));
        }
    }
}

#[test]
fn every_rule_is_broken_by_somebody() {
    let stated = RULES.into_iter().flatten().map(|sql| Rule::Stated(sql));
    let others = [Rule::Charges, Rule::Payments, Rule::Histograms];
    let mut kept: BTreeSet<Rule> = stated.chain(others).collect();
    for (books, cases) in ALL {
        for (tampering, _) in cases {
            let books = books();
            books.tamper(tampering);
            kept.retain(|rule| !books.break_rule(*rule));
        }
    }
    assert_eq!(kept, BTreeSet::new());
}

#[test]
fn a_repair_follows_from_the_rows() {
    let all: [Tampered; 2] = [(books, cases::REPAIRS), (payments::books, payments::REPAIRS)];
    for (books, cases) in all {
        for (tampering, expected) in cases {
            let problems = books().after(tampering);
            let named = |problem: &Problem| problem.repair == *expected;
            assert!(problems.iter().any(named), "{tampering:?}: {expected}: {problems:#?}");
        }
    }
}

#[test]
fn problems_are_bounded() {
    let books = books();
    let many = books.store.write(SystemScope::new(), |tx| {
        tx.execute(
            "with recursive n (n) as (select 100 union all select n + 1 from n where n < 400)
             insert into main.queue select 2, n, 1, 1, 0, 1, 1, 0, 0, null from n",
            [],
        )
    });
    many.wait().unwrap();
    assert_eq!(books.after(&[]).len(), PROBLEMS_MAX);
}
