//! Canceling a batch: one transaction says so, from which on none of its jobs begins; then its jobs end in
//! transactions of some hundreds, so that other deeds do not wait for ten thousand.

use std::sync::Arc;

use super::{conflict, must_find};
use crate::{
    app::{self, App, Caller, Reply, Secrecy, jobs, once},
    domain::{BatchId, BatchStatus, Idempotency, Result},
    store::{
        AccountScope, SystemScope, Tx,
        batches::{self, Batch},
    },
};

/// Jobs that one write cancels, which keeps it to some tens of milliseconds.
const JOBS_PER_WRITE: usize = 200;
/// What is said of a job that ends for this.
pub(in crate::app) const CANCELED: &str = "its batch was canceled";
/// Batches that one round looks after.
const BATCHES: u32 = 10;

/// Cancels a batch and all of its jobs that are not over; gives what is reached. Blocks until all are canceled.
/// It does no harm to a batch that is being canceled, or was. [`Conflict`](crate::domain::ErrorKind::Conflict)
/// where it ended by itself.
pub fn cancel(
    app: &Arc<App>,
    caller: &Caller,
    id: BatchId,
    request: Option<Idempotency>,
    render: once::Render<Batch>,
) -> Result<Reply> {
    let scope = caller.scope;
    if let Some(reply) = once::answered(app, scope, request.as_ref())? {
        return Ok(reply);
    }
    let batch = app.store.write(scope, move |tx| begin(tx, id)).wait()?;
    cancel_jobs(app, scope, batch)?;
    let answer = move |tx: &Tx<'_, AccountScope>| must_find(tx, id);
    once::once(app, scope, request, Secrecy::Plain, render, answer).wait()
}

/// None of the batch's jobs begins from now on; gives its internal number.
fn begin(tx: &Tx<'_, AccountScope>, id: BatchId) -> Result<i64> {
    let batch = must_find(tx, id)?;
    if batch.status() == BatchStatus::Completed {
        return Err(conflict("the batch is completed and cannot be canceled any more"));
    }
    batches::request_cancel(tx, batch.seq)?;
    Ok(batch.seq)
}

/// Cancels the batch's jobs that are not over; gives how many. None is passed over for good: a job before the
/// last one looked at is over, and does not begin again while the batch is being canceled.
fn cancel_jobs(app: &Arc<App>, scope: AccountScope, batch: i64) -> Result<usize> {
    let (mut after, mut canceled) = (0, 0);
    loop {
        let this = Arc::clone(app);
        let next = move |tx: &Tx<'_, AccountScope>| cancel_some(&this, tx, batch, after);
        let (last, jobs) = app.store.write(scope, next).wait()?;
        canceled += jobs;
        if jobs < JOBS_PER_WRITE {
            return Ok(canceled);
        }
        after = last;
    }
}

/// Gives the number of the last item that it looked at, and how many there were.
fn cancel_some(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    batch: i64,
    after: i64,
) -> Result<(i64, usize)> {
    let items = batches::open_items(tx, batch, after, JOBS_PER_WRITE)?;
    for (_, job) in &items {
        jobs::withdraw(app, tx, job, CANCELED)?;
    }
    Ok((items.last().map_or(after, |(n, _)| *n), items.len()))
}

/// Goes on with what a stop or a crash left of cancellations; gives how many jobs it canceled, or the first
/// error, which does not keep it from the other batches.
pub fn cancel_rest(app: &Arc<App>) -> Result<usize> {
    let left = app.store.read(SystemScope::new(), |it| batches::canceling(it, BATCHES))?;
    app::total(left.into_iter().map(|(scope, batch)| cancel_jobs(app, scope, batch)))
}
