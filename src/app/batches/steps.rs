//! How a batch follows its jobs: every step of one is counted in the transaction that makes it.

use serde::Serialize;

use super::conflict;
use crate::{
    app::App,
    domain::{
        AccountId, BatchCounts, BatchId, BatchStatus, BatchStep, EventType, JobStatus, Result,
    },
    store::{
        AccountScope, Snapshot, Tx,
        batches::{self, Batch},
        jobs::Job,
    },
};

/// The data of `batch.completed`.
#[derive(Serialize)]
struct Completed<'a> {
    batch_id: BatchId,
    account_id: AccountId,
    /// `completed`, or `canceled` where a client canceled it.
    status: BatchStatus,
    counts: BatchCounts,
    request_id: &'a str,
}

/// Counts that a job of the batch, if it is of one, goes from one status to another; gives the batch as it is then.
/// The step that ends the last job of a batch tells endpoints of it.
pub(in crate::app) fn step(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    batch: Option<i64>,
    from: JobStatus,
    to: JobStatus,
) -> Result<Option<Batch>> {
    let (Some(batch), Some(step)) = (batch, BatchStep::of(from, to)) else {
        return Ok(None);
    };
    let batch = batches::step(tx, batch, step)?;
    if batch.finished_at.is_some() {
        tell(app, tx, &batch)?;
    }
    Ok(Some(batch))
}

fn tell(app: &App, tx: &Tx<'_, AccountScope>, batch: &Batch) -> Result<()> {
    let completed = Completed {
        batch_id: batch.id,
        account_id: tx.scope().account_id(),
        status: batch.status(),
        counts: batch.counts,
        request_id: &batch.request_id,
    };
    app.emit(tx, EventType::BatchCompleted, &completed)
}

/// Whether the job must not begin because its batch is being canceled.
pub(in crate::app) fn is_canceling(
    snapshot: &Snapshot<'_, AccountScope>,
    job: &Job,
) -> Result<bool> {
    Ok(find(snapshot, job.batch)?.is_some_and(|batch| batch.status() == BatchStatus::Canceling))
}

fn find(snapshot: &Snapshot<'_, AccountScope>, batch: Option<i64>) -> Result<Option<Batch>> {
    Ok(batch.map(|batch| batches::by_seq(snapshot, batch)).transpose()?.flatten())
}

/// Refuses to retry a job while its batch is being canceled, as it would be canceled again at once; and one of
/// an eval's run, whose verdict is on what it came to.
pub(in crate::app) fn may_retry(snapshot: &Snapshot<'_, AccountScope>, job: &Job) -> Result<()> {
    let Some(batch) = find(snapshot, job.batch)? else { return Ok(()) };
    if batch.status() == BatchStatus::Canceling {
        return Err(conflict(
            "the job's batch is being canceled; retry the job once that has ended",
        ));
    }
    if batch.is_eval {
        return Err(conflict(
            "the job is a case of an eval's run and is judged as it ended; run the eval again",
        ));
    }
    Ok(())
}
