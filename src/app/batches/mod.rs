//! What can be done with batches: jobs that are accepted together, wait in the background, and are counted.

mod cancel;
mod steps;

use std::{collections::HashSet, sync::Arc};

use serde_json::value::RawValue;

pub use cancel::{cancel, cancel_rest};

pub(super) use steps::{is_canceling, may_retry, step};

use super::{
    App, Caller, Reply, Secrecy,
    jobs::{self, Prepared},
    once,
};
use crate::{
    domain::{
        BatchId, Credits, Cursor, Error, ErrorKind, GenerationRequest, Idempotency, Page,
        PageRequest, Result, check_custom_id,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        batches::{self, Batch, BatchItem, NewBatch},
        ledger::{HoldParts, JobRound},
    },
};

/// One of the requests of a batch.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The client's name for it.
    pub custom_id: String,
    /// What it asks for.
    pub request: GenerationRequest,
}

/// A batch whose requests keep all rules, ready to be accepted.
#[derive(Debug)]
pub struct PreparedBatch {
    new: NewBatch,
    items: Vec<(String, Prepared)>,
    /// What all may cost together.
    estimate: Credits,
}

/// Checks all requests against everything that needs no database; the error names the first that is wrong.
/// Thousands of requests take some tens of milliseconds, and more where they have schemas.
pub fn prepare(
    app: &App,
    caller: &Caller,
    requests: Vec<Asked>,
    metadata: Option<Box<RawValue>>,
) -> Result<PreparedBatch> {
    check_count(app, requests.len())?;
    let total = requests.len();
    let mut items = Vec::with_capacity(total);
    let mut known = HashSet::with_capacity(total);
    let mut estimate = Credits::ZERO;
    for (at, Asked { custom_id, request }) in requests.into_iter().enumerate() {
        let place = || format!("requests/{at}");
        check_custom_id(&custom_id).map_err(|error| error.within(&place()))?;
        let prepared = jobs::prepare(app, caller, &request);
        let prepared = prepared.map_err(|error| error.within(&place()))?;
        estimate = estimate.checked_add(prepared.estimate).ok_or_else(too_dear)?;
        if !known.insert(custom_id.clone()) {
            let message = "an earlier request has this custom_id; give each its own";
            return Err(Error::invalid("custom_id", message).within(&place()));
        }
        items.push((custom_id, prepared));
    }
    let new = NewBatch {
        id: BatchId::from_uuid(app.ambient.uuid()),
        metadata,
        request_id: caller.request_id.clone(),
        total: u64::try_from(total).unwrap_or(u64::MAX),
    };
    Ok(PreparedBatch { new, items, estimate })
}

/// Refuses a batch of no requests, or of more than the operator allows.
pub fn check_count(app: &App, requests: usize) -> Result<()> {
    let most = app.settings.max_batch_requests;
    if (1..=most).contains(&requests) {
        return Ok(());
    }
    let message = format!("requests must have 1 to {most} entries, not {requests}");
    Err(Error::invalid("requests", message))
}

fn too_dear() -> Error {
    Error::invalid("requests", "the requests together may cost more than there can be; send fewer")
}

/// Accepts all jobs of a batch in one transaction, or none. Prices and balance are those of all together:
/// the balance is read and written once, so that other deeds wait as short as can be.
pub fn submit(
    app: &Arc<App>,
    caller: &Caller,
    mut batch: PreparedBatch,
    request: Option<Idempotency>,
    render: once::Render<Batch>,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        accept(&this, tx, &mut batch)
    })
}

fn accept(app: &App, tx: &Tx<'_, AccountScope>, batch: &mut PreparedBatch) -> Result<Batch> {
    let PreparedBatch { new, items, estimate } = batch;
    jobs::admit(app, items.len())?;
    let hold = jobs::cover_all(app, tx, *estimate, items.len())?;
    let seq = batches::insert(tx, new)?;
    let mut parts = HoldParts::of(tx, hold);
    for (n, (custom_id, prepared)) in (1..).zip(items) {
        prepared.new.batch = Some(seq);
        let part = parts.next(prepared.estimate)?;
        let job = jobs::insert(app, tx, &prepared.new, part)?;
        parts.reserve(JobRound { job, round: 1 }, part)?;
        batches::add_item(tx, seq, n, custom_id, job)?;
    }
    parts.close()?;
    must_find(tx, new.id)
}

/// The account's batch of that id.
pub fn get(app: &App, scope: AccountScope, id: BatchId) -> Result<Batch> {
    app.store.read(scope, |snapshot| must_find(snapshot, id))
}

/// The account's batches, newest first.
pub fn list(app: &App, scope: AccountScope, page: &PageRequest) -> Result<Page<Batch>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(BatchId::from_uuid);
    let limit = super::one_more(page);
    let rows = app.store.read(scope, |snapshot| batches::list(snapshot, before, limit))?;
    Ok(Page::cut(rows, page.limit, |batch| Cursor::from_uuid(batch.id.uuid())))
}

/// The batch's requests after number `after` and what became of them: up to `limit`, fewer where they are large.
pub fn results(
    app: &App,
    scope: AccountScope,
    id: BatchId,
    after: i64,
    limit: usize,
) -> Result<Page<BatchItem>> {
    let rows = app.store.read(scope, |snapshot| {
        let batch = must_find(snapshot, id)?;
        batches::items(snapshot, batch.seq, after, limit)
    })?;
    Ok(Page::read(rows, |item| Cursor::from_number(item.n)))
}

fn must_find(snapshot: &Snapshot<'_, AccountScope>, id: BatchId) -> Result<Batch> {
    batches::find(snapshot, id)?.ok_or_else(|| Error::not_found("batch"))
}

fn conflict(message: &str) -> Error {
    Error::new(ErrorKind::Conflict, message)
}
