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

/// Counts that the job, as it stood before, goes to another status. The step that ends the last job of a batch
/// tells endpoints of it.
pub(in crate::app) fn step(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &Job,
    to: JobStatus,
) -> Result<()> {
    let (Some(batch), Some(step)) = (job.batch, BatchStep::of(job.status, to)) else {
        return Ok(());
    };
    let batch = batches::step(tx, batch, step)?;
    if batch.finished_at.is_some() { tell(app, tx, &batch) } else { Ok(()) }
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
    Ok(batch_of(snapshot, job)?.is_some_and(|batch| batch.status() == BatchStatus::Canceling))
}

/// Whether the job is a case of an eval.
pub(in crate::app) fn is_of_eval(snapshot: &Snapshot<'_, AccountScope>, job: &Job) -> Result<bool> {
    Ok(batch_of(snapshot, job)?.is_some_and(|batch| batch.is_eval))
}

fn batch_of(snapshot: &Snapshot<'_, AccountScope>, job: &Job) -> Result<Option<Batch>> {
    Ok(job.batch.map(|batch| batches::by_seq(snapshot, batch)).transpose()?.flatten())
}

/// Refuses to retry a job while its batch is being canceled, as it would be canceled again at once; and one of
/// an eval's run, whose verdict is on what it came to.
pub(in crate::app) fn may_retry(snapshot: &Snapshot<'_, AccountScope>, job: &Job) -> Result<()> {
    if is_canceling(snapshot, job)? {
        return Err(conflict(
            "the job's batch is being canceled; retry the job once that has ended",
        ));
    }
    if is_of_eval(snapshot, job)? {
        return Err(conflict(
            "the job is a case of an eval's run and is judged as it ended; run the eval again",
        ));
    }
    Ok(())
}
