//! Batches: jobs that were accepted together, and how many of them stand where.

use rusqlite::Row;
use serde_json::value::RawValue;

use super::{
    jobs::{JobResult, job_result, result_columns},
    open_jobs::{self, OpenJob},
    row::{raw, reserved, status},
    scope::{AccountScope, SystemScope},
    signal::Signal,
    tx::{Snapshot, Tx},
};
use crate::domain::{
    BatchCounts, BatchId, BatchStatus, BatchStep, Error, JobId, JobStatus, Result, Rows, Split,
    Timestamp,
};

/// What a new batch is made of.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Public id.
    pub id: BatchId,
    /// JSON object that comes back with the batch.
    pub metadata: Option<Box<RawValue>>,
    /// The request that made it.
    pub request_id: String,
    /// Whether its jobs are the cases of an eval.
    pub is_eval: bool,
    /// How many jobs it has.
    pub total: u64,
}

/// A batch as its client sees it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Internal number.
    pub seq: i64,
    /// Public id.
    pub id: BatchId,
    /// How many of its jobs stand where.
    pub counts: BatchCounts,
    /// JSON object that comes back with the batch.
    pub metadata: Option<Box<RawValue>>,
    /// The request that made it.
    pub request_id: String,
    /// Whether its jobs are the cases of an eval.
    pub is_eval: bool,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the first of its jobs began.
    pub started_at: Option<Timestamp>,
    /// When a client canceled it.
    pub cancel_requested_at: Option<Timestamp>,
    /// When the last of its jobs ended.
    pub finished_at: Option<Timestamp>,
}

impl Batch {
    /// Where it stands.
    pub const fn status(&self) -> BatchStatus {
        BatchStatus::of(
            self.started_at.is_some(),
            self.cancel_requested_at.is_some(),
            self.finished_at.is_some(),
        )
    }
}

/// A request of a batch and what has become of it.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// Its place in the batch, from 1.
    pub n: i64,
    /// The client's name for it.
    pub custom_id: String,
    /// The job that it became.
    pub job: JobId,
    /// Where that stands.
    pub status: JobStatus,
    /// What its newest reservation set aside.
    pub reserved: Split,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What came of it, once it ended.
    pub result: Option<JobResult>,
}

fn batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    let mut counts = BatchCounts {
        total: row.get("total")?,
        queued: 0,
        running: row.get("running")?,
        succeeded: row.get("succeeded")?,
        failed: row.get("failed")?,
        canceled: row.get("canceled")?,
        expired: row.get("expired")?,
    };
    let BatchCounts { total, running, succeeded, failed, canceled, expired, .. } = counts;
    counts.queued = total.saturating_sub(running + succeeded + failed + canceled + expired);
    Ok(Batch {
        seq: row.get("seq")?,
        id: row.get("id")?,
        counts,
        metadata: raw(row, "metadata")?,
        request_id: row.get("request_id")?,
        is_eval: row.get("is_eval")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        cancel_requested_at: row.get("cancel_requested_at")?,
        finished_at: row.get("finished_at")?,
    })
}

/// Adds a batch whose jobs all wait; gives its internal number.
pub fn insert(tx: &Tx<'_, AccountScope>, new: &NewBatch) -> Result<i64> {
    tx.insert(
        "insert into main.batch (account, id, metadata, request_id, is_eval, total, created_at)
         values (current_account(), ?1, ?2, ?3, ?4, ?5, ?6)",
        (
            new.id,
            new.metadata.as_deref().map(RawValue::get),
            &new.request_id,
            new.is_eval,
            new.total,
            tx.now(),
        ),
    )
}

/// Adds the `n`th request of a batch, which became this job.
pub fn add_item(
    tx: &Tx<'_, AccountScope>,
    batch: i64,
    n: i64,
    custom_id: &str,
    job: i64,
) -> Result<()> {
    tx.execute(
        "insert into main.batch_item (account, batch, n, custom_id, job)
         values (current_account(), ?1, ?2, ?3, ?4)",
        (batch, n, custom_id, job),
    )?;
    Ok(())
}

/// Counts a step of one of the batch's jobs; gives the batch as it is then. It is finished once all are over.
/// After that only a retry takes a step, and whoever retries wants the job to run, so that it ends the
/// cancellation too.
pub fn step(tx: &Tx<'_, AccountScope>, seq: i64, step: BatchStep) -> Result<Batch> {
    let BatchStep { running, succeeded, failed, canceled, expired } = step;
    let stepped = tx.one(
        "update main.batch set running = running + ?2, succeeded = succeeded + ?3,
           failed = failed + ?4, canceled = canceled + ?5, expired = expired + ?6,
           started_at = case when ?2 > 0 then coalesce(started_at, ?7) else started_at end,
           cancel_requested_at = case when finished_at is null then cancel_requested_at end,
           finished_at = case when succeeded + ?3 + failed + ?4 + canceled + ?5 + expired + ?6 = total
             then ?7 end
         where account = current_account() and seq = ?1 returning *",
        rusqlite::params![seq, running, succeeded, failed, canceled, expired, tx.now()],
        batch,
    )?;
    let stepped = stepped.ok_or_else(|| Error::internal("a job's batch is gone"))?;
    if stepped.finished_at.is_some() {
        tx.signal(Signal::BatchEnded(stepped.id));
    }
    Ok(stepped)
}

/// None of the batch's jobs begins from now on.
pub fn request_cancel(tx: &Tx<'_, AccountScope>, seq: i64) -> Result<()> {
    tx.execute(
        "update main.batch set cancel_requested_at = ?2
         where account = current_account() and seq = ?1 and cancel_requested_at is null",
        (seq, tx.now()),
    )?;
    Ok(())
}

/// The account's batch of that id.
pub fn find(snapshot: &Snapshot<'_, AccountScope>, id: BatchId) -> Result<Option<Batch>> {
    snapshot.one("select * from batch where id = ?1", [id], batch)
}

/// The account's batch of that internal number.
pub fn by_seq(snapshot: &Snapshot<'_, AccountScope>, seq: i64) -> Result<Option<Batch>> {
    snapshot.one("select * from batch where seq = ?1", [seq], batch)
}

/// The account's batches, newest first.
pub fn list(
    snapshot: &Snapshot<'_, AccountScope>,
    before: Option<BatchId>,
    limit: u32,
) -> Result<Vec<Batch>> {
    let before = before.unwrap_or(BatchId::MAX);
    snapshot.all(LIST, (before, limit), batch)
}

/// The batch's requests after number `after` and their jobs: up to `limit`, fewer where they are large.
pub fn items(
    snapshot: &Snapshot<'_, AccountScope>,
    seq: i64,
    after: i64,
    limit: usize,
) -> Result<Rows<BatchItem>> {
    snapshot.page(ITEMS, (seq, after, limit.saturating_add(1)), limit, |row| {
        Ok(BatchItem {
            n: row.get("n")?,
            custom_id: row.get("custom_id")?,
            job: row.get("id")?,
            status: status(row)?,
            reserved: reserved(row)?,
            created_at: row.get("created_at")?,
            result: job_result(row)?,
        })
    })
}

/// The next requests of the batch after number `after` whose jobs are not over: their numbers, and the jobs.
pub fn open_items(
    snapshot: &Snapshot<'_, AccountScope>,
    seq: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, OpenJob)>> {
    snapshot.all(OPEN_ITEMS, (seq, after, limit), |row| Ok((row.get("n")?, open_jobs::read(row)?)))
}

const LIST: &str = "select * from batch where id < ?1 order by id desc limit ?2";
const ITEMS: &str = concat!(
    "select i.n, i.custom_id, j.id, j.status, j.reserved_free, j.reserved_paid, j.created_at, ",
    result_columns!(),
    " from batch_item i join job j on j.seq = i.job left join job_result r on r.job = i.job \
     where i.batch = ?1 and i.n > ?2 order by i.n limit ?3"
);
const OPEN_ITEMS: &str =
    "select i.n, j.*, g.id as agent_id, g.name as agent_name, g.tags as agent_tags
    from batch_item i join job j on j.seq = i.job left join agent g on g.seq = j.agent
    where i.batch = ?1 and i.n > ?2 and j.status <= 3 order by i.n limit ?3";

/// Batches that were canceled and have jobs that are not over: whose they are, and their numbers.
pub fn canceling(
    snapshot: &Snapshot<'_, SystemScope>,
    limit: u32,
) -> Result<Vec<(AccountScope, i64)>> {
    let system = snapshot.scope();
    snapshot.all(
        "select b.seq, a.seq, a.id, a.environment from main.batch b join main.account a on a.seq = b.account
         where b.cancel_requested_at is not null and b.finished_at is null order by b.seq limit ?1",
        [limit],
        |row| {
            let account = system.account(row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((account, row.get(0)?))
        },
    )
}

#[cfg(test)]
pub(in crate::store) const LISTS: [&str; 3] = [LIST, ITEMS, OPEN_ITEMS];
