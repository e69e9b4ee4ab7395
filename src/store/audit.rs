//! The proof that the books are right: every rule that ties balance, ledger, grants, jobs and queue
//! together, as a statement that finds the rows which break it.
//!
//! Each statement reads a table from end to end or seeks by an index, and none is run per row, so a
//! million entries take seconds.

use super::{scope::SystemScope, tx::Snapshot};
use crate::domain::{AccountId, JobId, Result};

/// Problems that are listed, at most.
const PROBLEMS_MAX: usize = 100;

/// What was looked at and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Accounts.
    pub accounts: u64,
    /// Entries of all ledgers.
    pub entries: u64,
    /// Jobs.
    pub jobs: u64,
    /// A sentence for each problem, with the ids; at most 100.
    pub problems: Vec<String>,
}

/// Rules as statements that find what breaks them: the internal number of an account, that of a job or
/// null, and what is wrong in words. `?1` limits the rows. Amounts are microcredits.
///
/// Rules that look at the same sums share a statement, so that the ledger is read few times.
const RULES: [&str; 18] = [
    "select a.seq, null, 'has no balance' from main.account a
     where not exists (select 1 from main.balance b where b.account = a.seq) limit ?1",
    // Each balance against the sums of its ledger.
    "with l as materialized (
       select account, count(*) as entries, min(n) as first, max(n) as last,
         sum(case bucket when 'free' then delta else 0 end) as free,
         sum(case bucket when 'paid' then delta else 0 end) as paid,
         -sum(case when bucket = 'free' and kind in ('reserve', 'release') then delta else 0 end)
           as reserved_free,
         -sum(case when bucket = 'paid' and kind in ('reserve', 'release') then delta else 0 end)
           as reserved_paid
       from main.ledger group by account)
     select b.account, null,
       'has a balance that is not the sum of its entries: free ' || b.free || ' and paid ' || b.paid
         || ', by entries ' || coalesce(l.free, 0) || ' and ' || coalesce(l.paid, 0)
     from main.balance b left join l on l.account = b.account
     where b.free <> coalesce(l.free, 0) or b.paid <> coalesce(l.paid, 0)
     union all
     select b.account, null,
       'has set aside another amount than its open reservations: free ' || b.reserved_free
         || ' and paid ' || b.reserved_paid || ', by entries ' || coalesce(l.reserved_free, 0)
         || ' and ' || coalesce(l.reserved_paid, 0)
     from main.balance b left join l on l.account = b.account
     where b.reserved_free <> coalesce(l.reserved_free, 0)
       or b.reserved_paid <> coalesce(l.reserved_paid, 0)
     union all
     select b.account, null,
       'has entries that are not numbered from 1 without gaps: ' || coalesce(l.entries, 0)
         || ' entries from ' || coalesce(l.first, 1) || ' to ' || coalesce(l.last, 0)
         || ', the balance counts ' || b.entries
     from main.balance b left join l on l.account = b.account
     where b.entries <> coalesce(l.entries, 0) or b.entries <> coalesce(l.last, 0)
       or coalesce(l.first, 1) <> 1
     limit ?1",
    "select account, null, 'has an entry whose balance_after is not the sum so far: entry ' || n
       || ' says ' || balance_after || ', not ' || running
     from (select account, n, balance_after,
             sum(delta) over (partition by account order by n) as running
           from main.ledger)
     where balance_after <> running limit ?1",
    "select account, null, 'has an entry whose sign does not fit its kind: entry ' || n || ' is a '
       || kind || ' of ' || delta
     from main.ledger
     where delta = 0 or (kind in ('grant', 'release') and delta < 0)
       or (kind in ('reserve', 'charge', 'expire') and delta > 0) limit ?1",
    "with j as (select account, count(*) as n from main.queue where queue = 2 group by account)
     select b.account, null, 'counts another number of open jobs than its queue holds: ' || b.open_jobs
       || ', the queue has ' || coalesce(j.n, 0)
     from main.balance b left join j on j.account = b.account
     where b.open_jobs <> coalesce(j.n, 0) limit ?1",
    // Each reservation against its job: what the job says, and how it was resolved.
    "with l as (
       select job, round, min(account) as account, max(account) as last_account,
         -sum(case when kind = 'reserve' and bucket = 'free' then delta else 0 end)
           as reserved_free,
         -sum(case when kind = 'reserve' and bucket = 'paid' then delta else 0 end)
           as reserved_paid,
         sum(case when kind = 'release' and bucket = 'free' then delta else 0 end) as released_free,
         sum(case when kind = 'release' and bucket = 'paid' then delta else 0 end) as released_paid,
         -sum(case when kind = 'charge' then delta else 0 end) as charged,
         sum(kind in ('release', 'charge')) as resolutions,
         sum(kind not in ('reserve', 'release', 'charge')) as others
       from main.ledger where job is not null group by job, round)
     select account, job, broken from (
       select l.account, l.job, case
         when l.round > j.round or l.round < 1 or l.others > 0 or l.account <> j.account
             or l.last_account <> j.account
           then 'has entries of a round that does not exist, or in another account: round '
             || l.round || ', the job is in ' || j.round
         when l.round = j.round and (l.reserved_free <> j.reserved_free
             or l.reserved_paid <> j.reserved_paid)
           then 'has another reservation than its row says: free ' || l.reserved_free
             || ' and paid ' || l.reserved_paid || ', the job says ' || j.reserved_free || ' and '
             || j.reserved_paid
         when l.round = j.round and j.status in (2, 3) and l.resolutions > 0
           then 'is not over, and yet its reservation was resolved: released '
             || (l.released_free + l.released_paid) || ', charged ' || l.charged
         when (l.round < j.round or j.status >= 4) and (l.released_free <> l.reserved_free
             or l.released_paid <> l.reserved_paid)
           then 'is over, and what was reserved did not come back exactly: round ' || l.round
             || ' reserved ' || l.reserved_free || ' and ' || l.reserved_paid || ', released '
             || l.released_free || ' and ' || l.released_paid
         when l.charged <> case when j.status = 4 and l.round = j.round
             then coalesce(r.charged, 0) else 0 end
           then 'has charges other than its result says: round ' || l.round || ' charged '
             || l.charged || ', the result says ' || coalesce(r.charged, 0)
         end as broken
       from l join main.job j on j.seq = l.job left join main.job_result r on r.job = l.job)
     where broken is not null limit ?1",
    "select j.account, j.seq, 'has no reservation though its row says so: free ' || j.reserved_free
       || ' and paid ' || j.reserved_paid
     from main.job j where (j.reserved_free > 0 or j.reserved_paid > 0)
       and not exists (select 1 from main.ledger l
         where l.job = j.seq and l.round = j.round and l.kind = 'reserve') limit ?1",
    "select j.account, j.seq, 'has a result that says it was charged, and no charge: ' || r.charged
     from main.job_result r join main.job j on j.seq = r.job
     where r.charged <> 0 and (j.status <> 4 or not exists (select 1 from main.ledger l
       where l.job = j.seq and l.round = j.round and l.kind = 'charge')) limit ?1",
    "select j.account, j.seq, 'is over without a result, or has one and is not over: status '
       || j.status
     from main.job j left join main.job_result r on r.job = j.seq
     where (j.status >= 4) <> (r.job is not null) limit ?1",
    "select j.account, j.seq, 'is lost: it is not over and not in the queue: status ' || j.status
     from main.job j
     where j.status in (2, 3) and not exists (select 1 from main.queue q
       where q.queue = 2 and q.subject = j.seq and q.account = j.account) limit ?1",
    "select q.account, j.seq,
       'has a row in the queue for a job that is over or does not exist: subject ' || q.subject
     from main.queue q left join main.job j on j.seq = q.subject
     where q.queue = 2 and (j.seq is null or j.status >= 4 or j.account <> q.account) limit ?1",
    "with j as (
       select batch, min(account) as account, max(account) as last_account, count(*) as total,
         sum(status = 3) as running, sum(status = 4) as succeeded, sum(status = 5) as failed,
         sum(status = 6) as canceled, sum(status = 7) as expired, sum(status <= 3) as open
       from main.job where batch is not null group by batch)
     select coalesce(b.account, j.account), null,
       'has a batch whose counts are not those of its jobs: batch ' || coalesce(lower(hex(b.id)), '-')
         || ' counts ' || coalesce(b.total, 0) || ' jobs, there are ' || coalesce(j.total, 0)
     from main.batch b full join j on j.batch = b.seq
     where b.seq is null or j.batch is null or b.total <> j.total or b.running <> j.running
       or b.succeeded <> j.succeeded or b.failed <> j.failed or b.canceled <> j.canceled
       or b.expired <> j.expired or (b.finished_at is null) <> (j.open > 0)
       or j.account <> b.account or j.last_account <> b.account limit ?1",
    "with i as (
       select i.batch, count(*) as items, sum(j.seq is not null) as good
       from main.batch_item i left join main.job j
         on j.seq = i.job and j.batch = i.batch and j.account = i.account
       group by i.batch)
     select b.account, null, 'has a batch whose requests are not those of its jobs: batch '
       || lower(hex(b.id)) || ' of ' || b.total || ' jobs has ' || coalesce(i.items, 0)
       || ' requests, ' || coalesce(i.good, 0) || ' of which are its jobs'
     from main.batch b left join i on i.batch = b.seq
     where coalesce(i.items, 0) <> b.total or coalesce(i.good, 0) <> b.total limit ?1",
    // Each grant against the entry that gave it and those that took from it.
    "with l as materialized (
       select account, grant_id, sum(delta > 0) as origins, sum(max(delta, 0)) as given,
         -sum(min(delta, 0)) as taken, min(bucket) as bucket, max(bucket) as last_bucket
       from main.ledger where grant_id is not null group by account, grant_id)
     select g.account, null, 'has a grant that is not what its entries say: grant '
       || lower(hex(g.id)) || ' of ' || g.amount || ' with ' || g.remaining || ' left and '
       || g.debt || ' for debts, by entries ' || coalesce(l.given, 0) || ' given and '
       || coalesce(l.taken, 0) || ' taken'
     from main.credit_grant g left join l on l.account = g.account and l.grant_id = g.id
     where l.origins is not 1 or l.given <> g.amount or l.bucket <> g.bucket
       or l.last_bucket <> g.bucket or g.remaining <> g.amount - g.debt - l.taken limit ?1",
    "select l.account, null, 'has an entry of a grant that does not exist: entry ' || l.n
     from main.ledger l
     where ((l.kind in ('grant', 'expire') or (l.kind = 'adjust' and l.delta > 0))
         and l.grant_id is null)
       or (l.grant_id is not null and not exists (select 1 from main.credit_grant g
         where g.account = l.account and g.id = l.grant_id)) limit ?1",
    // Grants fund everything but what was charged beyond them.
    "with g as (
       select account, sum(case bucket when 'free' then remaining + debt else 0 end) as free,
         sum(case bucket when 'paid' then remaining + debt else 0 end) as paid
       from main.credit_grant group by account),
     l as (
       select account, -sum(case bucket when 'free' then delta else 0 end) as free,
         -sum(case bucket when 'paid' then delta else 0 end) as paid
       from main.ledger where grant_id is null and kind in ('charge', 'adjust') group by account)
     select b.account, null, 'has other credits than its grants leave: free '
       || (b.free + b.reserved_free) || ' and paid ' || (b.paid + b.reserved_paid)
       || ', by grants ' || (coalesce(g.free, 0) - coalesce(l.free, 0)) || ' and '
       || (coalesce(g.paid, 0) - coalesce(l.paid, 0))
     from main.balance b left join g on g.account = b.account left join l on l.account = b.account
     where b.free + b.reserved_free <> coalesce(g.free, 0) - coalesce(l.free, 0)
       or b.paid + b.reserved_paid <> coalesce(g.paid, 0) - coalesce(l.paid, 0) limit ?1",
    // Each count of a budget against the jobs that it counts.
    "with j as (
       select j.spending, min(j.account) as account, max(j.account) as last_account,
         sum(case when j.status <= 3 then j.reserved_free + j.reserved_paid else 0 end) as reserved,
         sum(coalesce(r.charged, 0)) as charged
       from main.job j left join main.job_result r on r.job = j.seq group by j.spending)
     select coalesce(s.account, j.account), null,
       'counts another spending than its jobs make up: row ' || coalesce(s.seq, j.spending)
         || ' says ' || coalesce(s.charged, 0) || ' charged and ' || coalesce(s.reserved, 0)
         || ' reserved, the jobs ' || coalesce(j.charged, 0) || ' and ' || coalesce(j.reserved, 0)
     from main.spending s full join j on j.spending = s.seq
     where s.seq is null or s.charged <> coalesce(j.charged, 0)
       or s.reserved <> coalesce(j.reserved, 0) or s.account <> coalesce(j.account, s.account)
       or s.account <> coalesce(j.last_account, s.account) limit ?1",
    // Rows are listed in the order of their numbers, up to the one that `meta` tells.
    "select account, job, 'is missing from a list: its row ' || seq || ' of ' || name || ' is '
       || case listed when 1 then 'listed' else 'not listed' end || ', the list is made up to ' || mark
     from (
       select account, seq as job, seq, listed, 'job' as name, (select coalesce(max(value), 0)
         from main.meta where name = 'jobs_listed') as mark from main.job
       union all
       select account, job, seq, listed, 'ledger', (select coalesce(max(value), 0)
         from main.meta where name = 'ledger_listed') from main.ledger
       union all
       select account, null, seq, listed, 'webhook_delivery', (select coalesce(max(value), 0)
         from main.meta where name = 'deliveries_listed') from main.webhook_delivery)
     where listed <> (seq <= mark) limit ?1",
];

/// Looks at everything, in one consistent view.
pub fn run(snapshot: &Snapshot<'_, SystemScope>) -> Result<Audit> {
    let mut problems = Vec::new();
    for rule in RULES {
        let left = PROBLEMS_MAX.saturating_sub(problems.len());
        if left > 0 {
            problems.extend(broken(snapshot, rule, left)?);
        }
    }
    let count = |sql| {
        let count = snapshot.one(sql, [], |row| row.get::<_, u64>(0))?;
        Ok(count.unwrap_or_default())
    };
    Ok(Audit {
        accounts: count("select count(*) from main.account")?,
        entries: count("select count(*) from main.ledger")?,
        jobs: count("select count(*) from main.job")?,
        problems,
    })
}

/// Internal numbers of what breaks a rule, and what is wrong with it.
struct Breach {
    account: i64,
    job: Option<i64>,
    what: String,
}

fn broken(
    snapshot: &Snapshot<'_, SystemScope>,
    rule: &'static str,
    limit: usize,
) -> Result<Vec<String>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let breaches = snapshot.all(rule, [limit], |row| {
        Ok(Breach { account: row.get(0)?, job: row.get(1)?, what: row.get(2)? })
    })?;
    breaches.iter().map(|breach| sentence(snapshot, breach)).collect()
}

/// Names the ids that people know. There are few breaches, so each may look them up.
fn sentence(
    snapshot: &Snapshot<'_, SystemScope>,
    Breach { account, job, what }: &Breach,
) -> Result<String> {
    let name: Option<AccountId> =
        snapshot.one("select id from main.account where seq = ?1", [account], |row| row.get(0))?;
    let name = name.map_or_else(|| format!("number {account}"), |id| id.to_string());
    let job: Option<JobId> =
        snapshot.one("select id from main.job where seq = ?1", [job], |row| row.get(0))?;
    let job = job.map(|id| format!(", job {id},")).unwrap_or_default();
    Ok(format!("account {name}{job} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ambient::Ambient,
        domain::{
            ApiKeyId, BatchId, Bucket, Credits, GrantId, JobStatus, Month, Payer, ProjectId,
            QueueName, Split, Timestamp,
        },
        store::{
            AccountScope, EngineSettings, Store, Tx, accounts,
            batches::{self, NewBatch},
            grants::{self, NewGrant},
            jobs::{self, JobResult, NewJob},
            ledger::{self, Charge, Cover, JobRound},
            queue::{self, Waiting, WorkId},
            spending::{self, SetAside},
        },
    };

    const RESERVED: Credits = Credits::from_micros(30);
    const COST: Credits = Credits::from_micros(20);

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
            user: None,
            priority: 0,
            max_attempts: 1,
            request_id: "r".to_owned(),
            run_at: tx.now(),
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
        let seq = jobs::insert(tx, &new, SetAside { held: held.split, spending })?;
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
                ledger::settle(tx, round, held, Charge { cost: COST, price: None })?;
                let result = JobResult { charged: COST, ..JobResult::default() };
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
            self.store.read(SystemScope::new(), run).unwrap().problems
        }
    }

    const UNLOCK: &str = "drop trigger ledger_keeps_entries";
    const UNLOCK_ALL: &str = "drop trigger ledger_keeps_all_entries";

    #[test]
    fn books_that_are_right_have_no_problems() {
        let books = books();
        assert_eq!(books.after(&[]), Vec::<String>::new());
        let audit = books.store.read(SystemScope::new(), run).unwrap();
        assert_eq!((audit.accounts, audit.entries, audit.jobs), (1, 5, 2));
    }

    /// Every rule is broken by somebody, and then says so.
    #[test]
    fn whatever_is_changed_is_found() {
        let cases: &[(&[&str], &str)] = &[
            (&["delete from main.balance"], "has no balance"),
            (&["update main.balance set paid = paid + 1"], "not the sum of its entries"),
            (&["update main.balance set reserved_paid = 31"], "has set aside another amount"),
            (&["update main.balance set entries = 4"], "not numbered from 1 without gaps"),
            (&[UNLOCK_ALL, "delete from main.ledger where n = 2"], "1 to 5, the balance counts 5"),
            (&[UNLOCK, "update main.ledger set balance_after = 0 where n = 4"], "entry 4 says 0"),
            (
                &[UNLOCK, "update main.ledger set delta = 20 where n = 4"],
                "entry 4 is a charge of 20",
            ),
            (&[UNLOCK, "update main.ledger set round = 2 where n = 5"], "round 2, the job is in 1"),
            (
                &[UNLOCK, "update main.ledger set n = 4 where n = 5"],
                "1 to 4, the balance counts 5",
            ),
            (&["update main.job set reserved_paid = 29 where seq = 2"], "another reservation than"),
            (
                &[UNLOCK_ALL, "delete from main.ledger where n = 5"],
                "has no reservation though its row says so: free 0 and paid 30",
            ),
            (
                &["insert into main.ledger values (6, 1, 6, 'release', 'paid', 30, 980, 2, 1, 0, null,
                   null, null, null, null, 1, 0)"],
                "is not over, and yet its reservation was resolved",
            ),
            (
                &[UNLOCK, "update main.ledger set delta = 29 where n = 3"],
                "did not come back exactly",
            ),
            (&["update main.job_result set charged = 19"], "charges other than its result says"),
            (
                &[UNLOCK_ALL, "delete from main.ledger where n = 4"],
                "says it was charged, and no charge: 20",
            ),
            (&["update main.balance set open_jobs = 7"], "another number of open jobs than its queue"),
            (&["delete from main.job_result"], "is over without a result"),
            (&["delete from main.queue"], "is lost: it is not over and not in the queue: status 2"),
            (
                &["update main.queue set subject = 9"],
                "a job that is over or does not exist: subject 9",
            ),
            (
                &["update main.queue set subject = 1"],
                "a job that is over or does not exist: subject 1",
            ),
            (&["update main.batch set running = 1"], "whose counts are not those of its jobs"),
            (&["update main.batch set finished_at = 1"], "whose counts are not those of its jobs"),
            (&["update main.job set status = 3 where seq = 2"], "whose counts are not those of its"),
            (&["update main.job set batch = 1 where seq = 1"], "counts 1 jobs, there are 2"),
            (&["delete from main.batch"], "counts 0 jobs, there are 1"),
            (&["delete from main.batch_item"], "1 jobs has 0 requests, 0 of which are its jobs"),
            (&["update main.batch_item set job = 1"], "1 jobs has 1 requests, 0 of which are its"),
            (&["update main.credit_grant set amount = 1001"], "a grant that is not what its entries"),
            (&["update main.credit_grant set remaining = 981"], "a grant that is not what its entries"),
            (&["update main.spending set charged = 19"], "row 1 says 19 charged and 30 reserved"),
            (&["update main.spending set reserved = 29"], "the jobs 20 and 30"),
            (&["delete from main.spending"], "row 1 says 0 charged and 0 reserved"),
            (&["update main.job set listed = 1 where seq = 2"], "is missing from a list: its row 2"),
            (
                &["delete from main.credit_grant"],
                "an entry of a grant that does not exist: entry 1",
            ),
        ];
        for (tampering, expected) in cases {
            let problems = books().after(tampering);
            let named = |problem: &String| problem.contains(expected);
            assert!(problems.iter().any(named), "{tampering:?}: {expected}: {problems:#?}");
            assert!(problems.iter().all(|problem| problem.starts_with("account 0000000")));
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
}
