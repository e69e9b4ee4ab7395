//! The table of work that waits or is being done. It knows nothing of what the work is.
//!
//! A row is *ready* while its `lease` is null and `run_at` has come. Whoever finishes, returns or
//! renews it must hold the lease: a worker that was given up finds its row leased to another, or gone,
//! and its result is discarded.

use rusqlite::Row;

use super::{
    row::unknown,
    scope::{AccountScope, AccountSeq, Scope, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{AccountId, QueueName, Result, Timestamp};

/// A row that waits, as much of it as the order of work needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The row.
    pub id: i64,
    /// Its queue.
    pub queue: QueueName,
    /// Rows of one lane take turns with those of others.
    pub lane: i64,
    /// Higher goes first within its lane.
    pub priority: i32,
    /// Not before this time.
    pub run_at: Timestamp,
}

/// What is to be added to a queue.
#[derive(Clone, Debug)]
pub struct NewWork {
    /// Which queue.
    pub queue: QueueName,
    /// The job's or delivery's internal number.
    pub subject: i64,
    /// Rows of one lane take turns with those of others.
    pub lane: i64,
    /// Higher goes first within its lane.
    pub priority: i32,
    /// Not before this time.
    pub run_at: Timestamp,
    /// Given up at this time.
    pub expires_at: Timestamp,
}

/// The right to finish one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The row.
    pub id: i64,
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
    /// The job's or delivery's internal number.
    pub subject: i64,
    /// Its lane.
    pub lane: i64,
    /// Attempts made, this one included.
    pub attempts: u32,
    /// How often the server ended during an attempt.
    pub crashes: u32,
    /// Given up at this time.
    pub expires_at: Timestamp,
}

fn queue_of(row: &Row<'_>) -> rusqlite::Result<QueueName> {
    QueueName::from_number(row.get("queue")?).ok_or_else(|| unknown("queue"))
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        id: row.get("id")?,
        queue: queue_of(row)?,
        lane: row.get("lane")?,
        priority: row.get("priority")?,
        run_at: row.get("run_at")?,
    })
}

/// Adds work in the transaction of its cause; gives the row's number.
pub fn push(tx: &Tx<'_, AccountScope>, work: &NewWork) -> Result<i64> {
    let id = tx.insert(
        "insert into main.queue
           (queue, account, subject, lane, priority, run_at, expires_at, attempts, crashes)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0)",
        rusqlite::params![
            work.queue.number(),
            tx.scope().seq(),
            work.subject,
            work.lane,
            work.priority,
            work.run_at,
            work.expires_at,
        ],
    )?;
    let NewWork {
        queue,
        lane,
        priority,
        run_at,
        ..
    } = *work;
    tx.signal(Signal::Queued(Waiting {
        id,
        queue,
        lane,
        priority,
        run_at,
    }));
    Ok(id)
}

/// Leases a row that waits; `None` where it is gone, leased or not due any more.
pub fn claim(tx: &Tx<'_, SystemScope>, lease: Lease) -> Result<Option<Claimed>> {
    let system = tx.scope();
    tx.one(
        "update main.queue set lease = ?2, attempts = attempts + 1
         where id = ?1 and lease is null and run_at <= ?3
         returning *, (select id from main.account where seq = queue.account) as account_id",
        (lease.id, lease.token, tx.now()),
        |row| claimed(row, system, lease),
    )
}

fn claimed(row: &Row<'_>, system: SystemScope, lease: Lease) -> rusqlite::Result<Claimed> {
    let account: AccountId = row.get("account_id")?;
    let seq: AccountSeq = row.get("account")?;
    Ok(Claimed {
        lease,
        scope: system.account(seq, account),
        subject: row.get("subject")?,
        lane: row.get("lane")?,
        attempts: row.get("attempts")?,
        crashes: row.get("crashes")?,
        expires_at: row.get("expires_at")?,
    })
}

/// Ends the work: the row leaves. False where the lease is not valid any more; then nothing that
/// the worker found out may be stored.
#[must_use = "without a valid lease the result must be discarded"]
pub fn finish<S: Scope>(tx: &Tx<'_, S>, lease: Lease) -> Result<bool> {
    let gone = tx.execute(
        "delete from main.queue where id = ?1 and lease = ?2",
        (lease.id, lease.token),
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
        "update main.queue set lease = null, run_at = ?3, attempts = attempts - ?4
         where id = ?1 and lease = ?2 returning id, queue, lane, priority, run_at",
        (lease.id, lease.token, run_at, !spent),
        waiting,
    )?;
    let valid = row.is_some();
    if let Some(row) = row {
        tx.signal(Signal::Queued(row));
    }
    Ok(valid)
}

/// Takes work out of its queue, whoever holds its lease.
pub fn withdraw<S: Scope>(tx: &Tx<'_, S>, id: i64) -> Result<bool> {
    let gone = tx.execute("delete from main.queue where id = ?1", [id])?;
    tx.signal(Signal::Withdrawn(id));
    Ok(gone == 1)
}

/// Counts a crash against every row whose lease was taken before `boot` and lets it wait again.
/// Gives those rows, most recently added last.
pub fn reclaim(tx: &Tx<'_, SystemScope>, boot: i64, limit: u32) -> Result<Vec<i64>> {
    tx.all(
        "update main.queue set lease = null, crashes = crashes + 1
         where id in (select id from main.queue where lease < ?1 limit ?2) returning id",
        (boot, limit),
        |row| row.get(0),
    )
}

/// Rows with a number above `after`, in the order of their numbers.
pub fn scan(snapshot: &Snapshot<'_, SystemScope>, after: i64, limit: u32) -> Result<Vec<Waiting>> {
    snapshot.all(
        "select id, queue, lane, priority, run_at from main.queue
         where id > ?1 and lease is null order by id limit ?2",
        (after, limit),
        waiting,
    )
}

/// Waiting rows whose time is over.
pub fn expired(
    snapshot: &Snapshot<'_, SystemScope>,
    queue: QueueName,
    limit: u32,
) -> Result<Vec<i64>> {
    snapshot.all(
        "select id from main.queue where expires_at <= ?1 and queue = ?2 and lease is null
         order by expires_at limit ?3",
        (snapshot.now(), queue.number(), limit),
        |row| row.get(0),
    )
}

/// When the first waiting row's time is over.
pub fn next_expiry(snapshot: &Snapshot<'_, SystemScope>) -> Result<Option<Timestamp>> {
    let first = snapshot.one(
        "select min(expires_at) from main.queue where lease is null",
        [],
        |row| row.get(0),
    )?;
    Ok(first.flatten())
}

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
    snapshot.all("select queue from main.queue_pause", [], queue_of)
}

/// Pauses or resumes a queue.
pub fn set_paused(tx: &Tx<'_, SystemScope>, queue: QueueName, paused: bool) -> Result<()> {
    if paused {
        tx.execute(
            "insert into main.queue_pause (queue, paused_at) values (?1, ?2)
             on conflict (queue) do nothing",
            (queue.number(), tx.now()),
        )?;
    } else {
        tx.execute(
            "delete from main.queue_pause where queue = ?1",
            [queue.number()],
        )?;
    }
    tx.signal(Signal::Paused);
    Ok(())
}
