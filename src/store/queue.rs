//! The table of work that waits or is being done. It knows nothing of what the work is.
//!
//! A row is *ready* while its `lease` is null and `run_at` has come. Whoever finishes, returns or
//! renews it must hold the lease: a worker that was given up finds its row leased to another, or gone,
//! and its result is discarded.

use std::time::Duration;

use rusqlite::Row;

use super::{
    row::unknown,
    scope::{AccountScope, AccountSeq, Scope, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{AccountId, QueueName, Result, Timestamp};

/// Names a row: each job or delivery is in its queue at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId {
    /// Which queue.
    pub queue: QueueName,
    /// The job's or delivery's internal number; they rise, so they also tell who came first.
    pub subject: i64,
}

/// A row that waits, or waited, as much of it as the order of work needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The row.
    pub id: WorkId,
    /// Rows of one lane take turns with those of others.
    pub lane: i64,
    /// Higher goes first within its lane.
    pub priority: i32,
    /// Not before this time.
    pub run_at: Timestamp,
}

/// The right to finish one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The row.
    pub id: WorkId,
    /// What the row's `lease` must be.
    pub token: i64,
}

/// A row that was leased.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The right to finish it.
    pub lease: Lease,
    /// Whose work it is.
    pub scope: AccountScope,
    /// Its lane.
    pub lane: i64,
    /// Attempts made, this one included; work that is given up gets none.
    pub attempts: u32,
    /// How many of them broke off: the server ended, or they were given up.
    pub crashes: u32,
    /// Since when it could run.
    pub run_at: Timestamp,
    /// Given up at this time.
    pub expires_at: Timestamp,
}

fn id(row: &Row<'_>) -> rusqlite::Result<WorkId> {
    let queue = QueueName::from_number(row.get("queue")?).ok_or_else(|| unknown("queue"))?;
    Ok(WorkId { queue, subject: row.get("subject")? })
}

pub(in crate::store) fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        id: id(row)?,
        lane: row.get("lane")?,
        priority: row.get("priority")?,
        run_at: row.get("run_at")?,
    })
}

/// Adds work in the transaction of its cause. It is given up at `expires_at`.
pub fn push(tx: &Tx<'_, AccountScope>, work: Waiting, expires_at: Timestamp) -> Result<()> {
    tx.execute(
        "insert into main.queue
           (account, queue, subject, lane, priority, run_at, expires_at, attempts, crashes)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
        rusqlite::params![
            work.id.queue.number(),
            work.id.subject,
            work.lane,
            work.priority,
            work.run_at,
            expires_at,
        ],
    )?;
    tx.signal(Signal::Queued(work));
    Ok(())
}

/// Adds work that is being done already, in the transaction of its cause: `lease` is the right to finish it.
pub fn hold(
    tx: &Tx<'_, AccountScope>,
    lease: Lease,
    lane: i64,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute(
        "insert into main.queue
           (account, queue, subject, lane, priority, run_at, expires_at, attempts, crashes, lease)
         values (current_account(), ?1, ?2, ?3, 0, ?4, ?5, 1, 0, ?6)",
        (lease.id.queue.number(), lease.id.subject, lane, tx.now(), expires_at, lease.token),
    )?;
    Ok(())
}

/// Leases a row that waits; `None` where it is gone, leased or not due. Work whose time is over is always due.
pub fn claim(tx: &Tx<'_, SystemScope>, lease: Lease) -> Result<Option<Claimed>> {
    let system = tx.scope();
    tx.one(
        "update main.queue set lease = ?3, attempts = attempts + 1
         where queue = ?1 and subject = ?2 and lease is null and (run_at <= ?4 or expires_at <= ?4)
         returning *, (select id from main.account where seq = queue.account) as account_id,
           (select environment from main.account where seq = queue.account) as environment",
        (lease.id.queue.number(), lease.id.subject, lease.token, tx.now()),
        |row| claimed(row, system, lease),
    )
}

/// Lets work that waits be claimed at once, also where its queue is paused, as somebody asks for it.
pub fn demand(tx: &Tx<'_, AccountScope>, work: Waiting) {
    tx.signal(Signal::Demanded(work));
}

/// The row, if it waits.
pub fn find_waiting(snapshot: &Snapshot<'_, SystemScope>, id: WorkId) -> Result<Option<Waiting>> {
    snapshot.one(
        "select * from main.queue where queue = ?1 and subject = ?2 and lease is null",
        (id.queue.number(), id.subject),
        waiting,
    )
}

/// Whether the work is in its queue, waiting or being done.
pub fn holds(snapshot: &Snapshot<'_, SystemScope>, id: WorkId) -> Result<bool> {
    let sql = "select 1 from main.queue where queue = ?1 and subject = ?2";
    let found = snapshot.one(sql, (id.queue.number(), id.subject), |_| Ok(()))?;
    Ok(found.is_some())
}

fn claimed(row: &Row<'_>, system: SystemScope, lease: Lease) -> rusqlite::Result<Claimed> {
    let account: AccountId = row.get("account_id")?;
    let seq: AccountSeq = row.get("account")?;
    Ok(Claimed {
        lease,
        scope: system.account(seq, account, row.get("environment")?),
        lane: row.get("lane")?,
        attempts: row.get("attempts")?,
        crashes: row.get("crashes")?,
        run_at: row.get("run_at")?,
        expires_at: row.get("expires_at")?,
    })
}

/// Ends the work: the row leaves. False where the lease is not valid any more; then nothing that
/// the worker found out may be stored.
#[must_use = "without a valid lease the result must be discarded"]
pub fn finish<S: Scope>(tx: &Tx<'_, S>, lease: Lease) -> Result<bool> {
    let gone = tx.execute(
        "delete from main.queue
         where account_ok(account) and queue = ?1 and subject = ?2 and lease = ?3",
        (lease.id.queue.number(), lease.id.subject, lease.token),
    )?;
    Ok(gone == 1)
}

/// Ends the attempt but not the work: it waits again until `run_at`. `spent` is false where the
/// attempt does not count. False where the lease is not valid any more.
#[must_use = "without a valid lease the result must be discarded"]
pub fn release<S: Scope>(
    tx: &Tx<'_, S>,
    lease: Lease,
    run_at: Timestamp,
    spent: bool,
) -> Result<bool> {
    let row = tx.one(
        "update main.queue set lease = null, run_at = ?4, attempts = attempts - ?5
         where account_ok(account) and queue = ?1 and subject = ?2 and lease = ?3 returning *",
        (lease.id.queue.number(), lease.id.subject, lease.token, run_at, !spent),
        waiting,
    )?;
    let valid = row.is_some();
    if let Some(row) = row {
        tx.signal(Signal::Queued(row));
    }
    Ok(valid)
}

/// Ends an attempt that broke off: the work waits again for a little while, with one crash more. No
/// effect where the lease is not valid any more.
pub fn crash(tx: &Tx<'_, SystemScope>, lease: Lease) -> Result<()> {
    const PAUSE: Duration = Duration::from_secs(5);
    let row = tx.one(
        "update main.queue set lease = null, crashes = crashes + 1, run_at = ?4
         where queue = ?1 and subject = ?2 and lease = ?3 returning *",
        (lease.id.queue.number(), lease.id.subject, lease.token, tx.now().plus(PAUSE)),
        waiting,
    )?;
    if let Some(row) = row {
        tx.signal(Signal::Queued(row));
    }
    Ok(())
}

/// Takes work out of its queue, whoever holds its lease.
pub fn withdraw<S: Scope>(tx: &Tx<'_, S>, id: WorkId) -> Result<bool> {
    let row = tx.one(
        "delete from main.queue where account_ok(account) and queue = ?1 and subject = ?2
         returning *",
        (id.queue.number(), id.subject),
        waiting,
    )?;
    let gone = row.is_some();
    if let Some(row) = row {
        tx.signal(Signal::Withdrawn(row));
    }
    Ok(gone)
}

/// Counts a crash against rows of the queue whose lease was taken before `boot`, and lets them wait
/// again. Gives how many, at most `limit`.
pub fn reclaim(tx: &Tx<'_, SystemScope>, queue: QueueName, boot: i64, limit: u32) -> Result<usize> {
    tx.execute(
        "update main.queue set lease = null, crashes = crashes + 1
         where queue = ?1 and subject in
           (select subject from main.queue where queue = ?1 and lease < ?2 limit ?3)",
        (queue.number(), boot, limit),
    )
}

/// Waiting rows of a queue with a subject above `after`, in the order of their subjects.
pub fn scan(
    snapshot: &Snapshot<'_, SystemScope>,
    queue: QueueName,
    after: i64,
    limit: u32,
) -> Result<Vec<Waiting>> {
    snapshot.all(
        "select * from main.queue where queue = ?1 and subject > ?2 and lease is null
         order by subject limit ?3",
        (queue.number(), after, limit),
        waiting,
    )
}

/// Waiting rows whose time is over, the first of them. Reads the index up to now and no further, so it
/// costs one look where nothing is over.
pub fn expired(
    snapshot: &Snapshot<'_, SystemScope>,
    queue: QueueName,
    limit: u32,
) -> Result<Vec<Waiting>> {
    snapshot.all(
        "select * from main.queue where queue = ?1 and expires_at <= ?2 and lease is null
         order by expires_at limit ?3",
        (queue.number(), snapshot.now(), limit),
        waiting,
    )
}

/// Direct jobs whose row was leased by an earlier start than `boot`, or was given back since: at most `limit`,
/// by subject. Reads the whole queue, but no job that only waits: the row of a direct one is leased from its first
/// moment, and whoever gives it back counts a crash.
pub fn left_direct(
    snapshot: &Snapshot<'_, SystemScope>,
    boot: i64,
    limit: u32,
) -> Result<Vec<(AccountScope, i64)>> {
    let system = snapshot.scope();
    snapshot.all(LEFT_DIRECT, (boot << 32, limit), |row| {
        Ok((system.account(row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))
    })
}

pub(in crate::store) const LEFT_DIRECT: &str =
    "select q.account, a.id, a.environment, q.subject from main.queue q
     join main.job j on j.seq = q.subject join main.account a on a.seq = q.account
     where q.queue = 2 and (q.lease < ?1 or (q.lease is null and q.crashes > 0)) and j.direct = 1
     order by q.subject limit ?2";

/// The number of this start of the server on this file; every start has a higher one.
pub fn boot(tx: &Tx<'_, SystemScope>) -> Result<i64> {
    let number = tx.one(
        "insert into main.meta (name, value) values ('boots', 1)
         on conflict (name) do update set value = value + 1 returning value",
        [],
        |row| row.get(0),
    )?;
    Ok(number.unwrap_or(1))
}

/// The queues that the operator paused.
pub fn paused(snapshot: &Snapshot<'_, SystemScope>) -> Result<Vec<QueueName>> {
    snapshot.all("select queue from main.queue_pause", [], |row| {
        QueueName::from_number(row.get(0)?).ok_or_else(|| unknown("queue"))
    })
}

/// How much work of each queue was given up and not put back; queues without any are left out.
pub fn dead(snapshot: &Snapshot<'_, SystemScope>) -> Result<Vec<(QueueName, u64)>> {
    snapshot.all(DEAD, [], |row| {
        let queue = QueueName::from_number(row.get(0)?);
        Ok((queue.ok_or_else(|| unknown("queue"))?, row.get(1)?))
    })
}

/// Reads what it counts, and nothing of what waits.
pub(in crate::store) const DEAD: &str =
    "select queue, count(*) from main.dead_letter where redriven_at is null group by queue";

/// Pauses or resumes a queue.
pub fn set_paused(tx: &Tx<'_, SystemScope>, queue: QueueName, paused: bool) -> Result<()> {
    if paused {
        tx.execute(
            "insert into main.queue_pause (queue, paused_at) values (?1, ?2)
             on conflict (queue) do nothing",
            (queue.number(), tx.now()),
        )?;
    } else {
        tx.execute("delete from main.queue_pause where queue = ?1", [queue.number()])?;
    }
    tx.signal(Signal::Paused);
    Ok(())
}
