//! Every rule is broken by somebody, and says so.

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
        end_users,
        grants::{self, NewGrant},
        jobs::{self, JobResult, NewJob},
        ledger::{self, Charge, Cover, JobRound},
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
    let seq = jobs::insert(tx, &new, SetAside { held: held.split, spending, tokens: BOUND })?;
    let round = JobRound { job: seq, round: 1 };
    ledger::reserve(tx, round, held)?;
    Ok((seq, round))
}

/// An account with a grant, a job that succeeded (number 1) and one that waits (number 2), which is a batch.
fn books() -> Books {
    let folder = tempfile::tempdir().unwrap();
    let ambient = Ambient::manual(Timestamp::from_millis(1_000_000), 7);
    let settings = EngineSettings { durable: false, ..EngineSettings::default() };
    let path = folder.path().join("skai.db");
    let (store, _writer) = Store::open(&path, &settings, &ambient).unwrap();
    let made = store.write(SystemScope::new(), move |tx| {
        let (account, project) = (ambient.uuid(), ambient.uuid());
        let (account, project) = (AccountId::from_uuid(account), ProjectId::from_uuid(project));
        let scope = accounts::insert(tx, account, project, "a")?;
        let micro = Credits::from_micros(1_000_000);
        let tariff = Tariff::Priced(Price { output_per_million: micro, ..Price::default() });
        let price = Some(prices::record(tx, "m", tariff)?.row);
        tx.within(scope, |tx| {
            let new = NewGrant {
                id: GrantId::from_uuid(ambient.uuid()),
                bucket: Bucket::Paid,
                amount: Credits::from_micros(1_000),
                reason: "a".to_owned(),
                expires_at: None,
                request_id: None,
                stripe_event: None,
            };
            grants::grant(tx, &new)?;
            let (done, round) = job(tx, &ambient, None)?;
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
            jobs::end(tx, done, JobStatus::Succeeded, &result)?;
            let new = NewBatch {
                id: BatchId::from_uuid(ambient.uuid()),
                metadata: None,
                request_id: "r".to_owned(),
                is_eval: false,
                total: 1,
            };
            let batch = batches::insert(tx, &new)?;
            let (waits, _) = job(tx, &ambient, Some(batch))?;
            batches::add_item(tx, batch, 1, "a", waits)?;
            let id = WorkId { queue: QueueName::GenerationCreate, subject: waits };
            let work = Waiting { id, lane: 1, priority: 0, run_at: tx.now() };
            queue::push(tx, work, tx.now())
        })
    });
    made.wait().unwrap();
    Books { store, _folder: folder }
}

impl Books {
    /// What the audit says after somebody laid hands on the rows.
    fn after(&self, tampering: &'static [&'static str]) -> Vec<String> {
        let tampered = self.store.write(SystemScope::new(), move |tx| {
            for sql in tampering {
                assert!(tx.execute(sql, []).unwrap() <= 1, "{sql}");
            }
            Ok(())
        });
        tampered.wait().unwrap();
        let found = self.store.read(SystemScope::new(), |it| run(it, &|| false)).unwrap().problems;
        assert!(found.iter().all(|problem| !problem.repair.is_empty()));
        found.into_iter().map(|problem| problem.what).collect()
    }
}

const UNLOCK: &str = "drop trigger ledger_keeps_entries";
const UNLOCK_PRICES: &str = "drop trigger price_keeps_versions";
const NEXT_PRICE: &str = "insert into main.price values (2, 'm', 2, 0, 0, 0, 1000000, 0, 1)";
const UNLOCK_ALL: &str = "drop trigger ledger_keeps_all_entries";

#[test]
fn books_that_are_right_have_no_problems() {
    let books = books();
    assert_eq!(books.after(&[]), Vec::<String>::new());
    let audit = books.store.read(SystemScope::new(), |it| run(it, &|| false)).unwrap();
    assert_eq!((audit.accounts, audit.entries, audit.jobs), (1, 5, 2));
}

/// Every rule is broken by somebody, and then says so.
#[test]
fn whatever_is_changed_is_found() {
    let cases: &[(&'static [&'static str], &str)] = &[
        (&["delete from main.balance"], "has no balance"),
        (&["update main.balance set paid = paid + 1"], "not the sum of its entries"),
        (&["update main.balance set reserved_paid = 31"], "has set aside another amount"),
        (&["update main.balance set entries = 4"], "not numbered from 1 without gaps"),
        (&[UNLOCK_ALL, "delete from main.ledger where n = 2"], "1 to 5, the balance counts 5"),
        (&[UNLOCK, "update main.ledger set balance_after = 0 where n = 4"], "entry 4 says 0"),
        (&[UNLOCK, "update main.ledger set delta = 20 where n = 4"], "entry 4 is a charge of 20"),
        (&[UNLOCK, "update main.ledger set round = 2 where n = 5"], "round 2, the job is in 1"),
        (&[UNLOCK, "update main.ledger set n = 4 where n = 5"], "1 to 4, the balance counts 5"),
        (&["update main.job set reserved_paid = 29 where seq = 2"], "another reservation than"),
        (
            &[UNLOCK_ALL, "delete from main.ledger where n = 5"],
            "has no reservation though its row says so: free 0 and paid 30",
        ),
        (
            &["insert into main.ledger values (6, 1, 6, 'release', 'paid', 30, 980, 2, 1, 1, null,
               null, null, null, null, 1, 0)"],
            "is not over, and yet its reservation was resolved",
        ),
        (&[UNLOCK, "update main.ledger set delta = 29 where n = 3"], "did not come back exactly"),
        (&["update main.job_result set charged = 19"], "charges other than its result says"),
        (
            &[UNLOCK_ALL, "delete from main.ledger where n = 4"],
            "says it was charged, and no charge: 20",
        ),
        (&["update main.balance set open_jobs = 7"], "another number of open jobs than its queue"),
        (&["delete from main.job_result"], "is over without a result"),
        (&["delete from main.queue"], "is lost: it is not over and not in the queue: status 2"),
        (&["update main.queue set subject = 9"], "a job that is over or does not exist: subject 9"),
        (&["update main.queue set subject = 1"], "a job that is over or does not exist: subject 1"),
        (&["update main.batch set running = 1"], "whose counts are not those of its jobs"),
        (&["update main.batch set finished_at = 1"], "whose counts are not those of its jobs"),
        (&["update main.job set status = 3 where seq = 2"], "whose counts are not those of its"),
        (&["update main.job set batch = 1 where seq = 1"], "counts 1 jobs, there are 2"),
        (&["delete from main.batch"], "counts 0 jobs, there are 1"),
        (&["delete from main.batch_item"], "1 jobs has 0 requests, 0 of which are its jobs"),
        (&["update main.batch_item set job = 1"], "1 jobs has 1 requests, 0 of which are its"),
        (&["update main.credit_grant set amount = 1001"], "a grant that is not what its entries"),
        (&["update main.credit_grant set remaining = 981"], "a grant that is not what its entries"),
        (&["update main.spending set charged = 19"], "says 19 charged and 30 reserved"),
        (&["update main.spending set reserved = 29"], "the jobs 20 and 30"),
        (&["delete from main.spending"], "says 0 charged and 0 reserved"),
        (&["update main.job set listed = 1 where seq = 2"], "is missing from a list: its row 2"),
        (&["delete from main.credit_grant"], "an entry of a grant that does not exist: entry 1"),
    ];
    find(cases);
}

#[test]
fn a_charge_that_does_not_follow_from_its_price_is_found() {
    find(&[
        (&[UNLOCK, "update main.ledger set price = 9 where n = 4"], "charge at another price of m"),
        (&[UNLOCK, "update main.ledger set price = null where n = 4"], "charge at another price"),
        (
            &[NEXT_PRICE, UNLOCK, "update main.ledger set price = 2 where n = 4"],
            "has a charge at another price of m than it was accepted with",
        ),
        (
            &["update main.job_result set model = 'x'"],
            "has a charge of 20, and x, which answered, had no price that is recorded",
        ),
        (
            &["update main.job_result set completion_tokens = 21"],
            "has a charge of 20, and its tokens cost 21 at its price of m",
        ),
        (
            &["update main.job_result set prompt_tokens = null"],
            "has a charge of 20, and no tokens that cost anything at all",
        ),
        (
            &[UNLOCK_PRICES, "update main.price set minimum_charge = 22"],
            "has a charge of 20, and its tokens cost 22 at its price of m",
        ),
        (
            &[UNLOCK_PRICES, "update main.price set free = 1"],
            "has a charge of 20, and its tokens cost 0 at its price of m",
        ),
    ]);
}

/// What is taken away everywhere at once, so that all sums are right.
#[test]
fn what_is_consistent_and_wrong_is_found() {
    find(&[
        (
            &[
                "insert into main.ledger values (6, 1, 6, 'reserve', 'paid', -30, 920, 99, 1, 1, null, null,
                   null, null, null, 1, 0)",
                "update main.balance set paid = 920, reserved_paid = 60, entries = 6",
            ],
            "has entries of a job that does not exist: number 99",
        ),
        (
            &["update main.credit_grant set debt = debt + 10, remaining = remaining - 10"],
            "has other credits than its grants leave: free 0 and paid 980, by grants 0 and 980, of which are \
             left 0 and 970",
        ),
        (
            &[
                UNLOCK,
                "update main.ledger set grant_id = null where n = 4",
                "update main.credit_grant set remaining = 1000",
            ],
            "of which are left 0 and 1000",
        ),
        (
            &[
                UNLOCK_ALL,
                UNLOCK,
                "delete from main.ledger where n = 4",
                "update main.ledger set n = 4, balance_after = 970 where n = 5",
                "update main.balance set paid = 970, entries = 4",
                "update main.credit_grant set remaining = 1000",
                "update main.job_result set charged = 0",
                "update main.spending set charged = 0",
                "update main.end_user set charged = 0",
                "update main.end_user_day set charged = 0",
            ],
            "has a charge of 0, and its tokens cost 20 at its price of m",
        ),
        (&["update main.spending set month = 202611"], "row 1 of 202611 says 20 charged"),
        (&["update main.spending set key_told = 7"], "counts another spending than its jobs"),
        (&["delete from main.project"], "is not in the environment of its project: there is none"),
    ]);
}

#[test]
fn whatever_is_changed_of_end_users_is_found() {
    find(&[
        (&["update main.end_user set open_tokens = 99"], "has 99 tokens in flight, and 1 jobs"),
        (&["update main.end_user set jobs = 2"], "figures are not those of its jobs"),
        (&["update main.end_user set tokens = 21"], "jobs with 21 tokens for 20, by its jobs 100"),
        (&["update main.end_user set charged = 21"], "tokens for 21, by days 1 with 20 for 20"),
        (&["update main.end_user set external_id = 'v'"], "one that does not exist has 0 tokens"),
        (&["update main.job set token_bound = 1 where seq = 2"], "by its jobs 1, and 1 with 20"),
        (&["update main.end_user_day set tokens = 6"], "by days 1 with 6 for 20"),
        (&["update main.end_user_day set charged = 19"], "by days 1 with 20 for 19"),
        (&["update main.end_user_day set jobs = 2"], "by days 2 with 20 for 20"),
        (&["update main.end_user_day set end_user = 9"], "exist has 0 jobs with 0 tokens for 0"),
    ]);
}

/// Each tampering leads to a problem that says so.
fn find(cases: &[(&'static [&'static str], &str)]) {
    for (tampering, expected) in cases {
        finds(tampering, expected);
    }
}

fn finds(tampering: &'static [&'static str], expected: &str) {
    let problems = books().after(tampering);
    let named = |problem: &String| problem.contains(expected);
    assert!(problems.iter().any(named), "{tampering:?}: {expected}: {problems:#?}");
    assert!(problems.iter().all(|problem| problem.starts_with("account 0000000")));
}

#[test]
fn what_is_for_tests_does_not_meet_what_is_live() {
    const TWIN: &str = "update main.account set environment = 'test'";
    const RUN: &str = "update main.job_result set provider = 'openai'";
    let elsewhere = "is not in the environment of its project: ";
    finds(&["update main.project set environment = 'test'"], &format!("{elsewhere}test"));
    finds(&[TWIN], &format!("{elsewhere}live"));
    finds(&[TWIN], " (test), job ");
    finds(&[TWIN, RUN], "is for tests, and yet it was run by openai");
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
