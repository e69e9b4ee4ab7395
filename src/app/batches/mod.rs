//! What can be done with batches: jobs that are accepted together, wait in the background, and are counted.

mod allowance;
mod cancel;
mod steps;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use serde_json::value::RawValue;

pub use cancel::{cancel, cancel_rest};

pub(super) use allowance::Allowance;

pub(super) use cancel::CANCELED;

pub(super) use steps::{is_canceling, may_retry, step};

use super::{
    App, Caller, Reply, Secrecy,
    agents::{self, Ready},
    jobs::{self, Prepared},
    once,
};
use crate::{
    domain::{
        BatchId, Catalog, Credits, Cursor, Error, ErrorKind, GenerationRequest, Idempotency, Page,
        PageRequest, Payer, Result, RunRequest, check_custom_id,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        batches::{self, Batch, BatchItem, NewBatch},
        ledger::JobRound,
    },
};

/// One of the requests of a batch.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The client's name for it.
    pub custom_id: String,
    /// What it asks for.
    pub work: Work,
}

/// What a request of a batch asks for.
#[derive(Clone, Debug)]
pub enum Work {
    /// A generation.
    Generation(Box<GenerationRequest>),
    /// A run of an agent.
    Run {
        /// The agent's name.
        agent: String,
        /// What it is to do.
        run: RunRequest,
    },
}

/// A batch whose requests keep all rules, ready to be accepted.
#[derive(Debug)]
pub struct PreparedBatch {
    new: NewBatch,
    items: Vec<(String, Prepared)>,
    payer: Payer,
    /// What all may cost together.
    estimate: Credits,
}

/// Checks all requests against everything that needs no database; the error names the first that is wrong.
/// Thousands of requests take some tens of milliseconds, and more where they have schemas. Blocks while it
/// reads.
pub fn prepare(
    app: &App,
    caller: &Caller,
    requests: Vec<Asked>,
    metadata: Option<Box<RawValue>>,
) -> Result<PreparedBatch> {
    let total = requests.len();
    check_count(app, total)?;
    jobs::admit_early(app, caller.scope, total)?;
    let mut items = Vec::with_capacity(total);
    let mut known = HashSet::with_capacity(total);
    let mut estimate = Credits::ZERO;
    let mut allowance = Allowance::new(app);
    let mut preparing =
        Preparing { app, catalog: app.catalog.current(), caller, agents: HashMap::new() };
    for (at, Asked { custom_id, work }) in requests.into_iter().enumerate() {
        let place = || format!("requests/{at}");
        check_custom_id(&custom_id).map_err(|error| error.within(&place()))?;
        let prepared = preparing.job(&work).map_err(|error| error.within(&place()))?;
        allowance.spend(app, &prepared).map_err(|error| error.within(&place()))?;
        estimate = estimate.checked_add(prepared.estimate).ok_or_else(too_dear)?;
        if !known.insert(custom_id.clone()) {
            let message = "an earlier request has this custom_id; give each its own";
            return Err(Error::invalid("custom_id", message).within(&place()));
        }
        items.push((custom_id, prepared));
    }
    let new = new_batch(app, caller, total, metadata);
    Ok(PreparedBatch { new, items, payer: caller.payer()?, estimate })
}

/// A batch of these jobs, the cases of an eval, each with its number; `None` where there are none.
pub(super) fn of_eval(
    app: &App,
    caller: &Caller,
    items: Vec<(String, Prepared)>,
) -> Result<Option<PreparedBatch>> {
    if items.is_empty() {
        return Ok(None);
    }
    check_count(app, items.len())?;
    let mut estimates = items.iter().map(|(_, prepared)| prepared.estimate);
    let estimate = estimates.try_fold(Credits::ZERO, Credits::checked_add).ok_or_else(too_dear)?;
    let new = NewBatch { is_eval: true, ..new_batch(app, caller, items.len(), None) };
    Ok(Some(PreparedBatch { new, items, payer: caller.payer()?, estimate }))
}

fn new_batch(
    app: &App,
    caller: &Caller,
    total: usize,
    metadata: Option<Box<RawValue>>,
) -> NewBatch {
    NewBatch {
        id: BatchId::from_uuid(app.ambient.uuid()),
        metadata,
        request_id: caller.request_id.clone(),
        is_eval: false,
        total: u64::try_from(total).unwrap_or(u64::MAX),
    }
}

/// Prepares the jobs of a batch.
struct Preparing<'a> {
    app: &'a App,
    /// All jobs are estimated, and later charged, at the prices of one moment.
    catalog: Arc<Catalog>,
    caller: &'a Caller,
    /// Agents and versions that were opened: each is read and compiled once.
    agents: HashMap<(String, Option<u32>), Arc<Ready>>,
}

impl Preparing<'_> {
    fn job(&mut self, work: &Work) -> Result<Prepared> {
        let Self { app, catalog, caller, .. } = self;
        let (agent, run) = match work {
            Work::Generation(request) => return jobs::prepare_with(app, catalog, caller, request),
            Work::Run { agent, run } => (agent, run),
        };
        run.check(app.ambient.now())?;
        let ready = match self.agents.entry((agent.clone(), run.version)) {
            Entry::Occupied(opened) => opened.into_mut(),
            Entry::Vacant(new) => new.insert(open(app, caller, agent, run.version)?),
        };
        jobs::draft(app, catalog, caller, ready.draft(run)?)
    }
}

/// Opens an agent. That there is none is a fault of the request that names it, not of the path.
fn open(app: &App, caller: &Caller, name: &str, version: Option<u32>) -> Result<Arc<Ready>> {
    agents::ready(app, caller.scope, name, version).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::invalid("agent", error.message()),
        ErrorKind::Conflict => error.with_param("agent"),
        _ => error,
    })
}

/// Refuses a batch of no requests, or of more than the operator allows.
fn check_count(app: &App, requests: usize) -> Result<()> {
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

/// The answer to this request where one was given before, as it spares to prepare thousands of requests again.
/// Blocks while it reads.
pub fn accepted_before(
    app: &App,
    caller: &Caller,
    request: Option<&Idempotency>,
) -> Result<Option<Reply>> {
    once::answered(app, caller.scope, request)
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

/// The transaction of [`submit`], for runs of evals too.
pub(super) fn accept(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    batch: &mut PreparedBatch,
) -> Result<Batch> {
    let PreparedBatch { new, items, payer, estimate } = batch;
    jobs::admit(app, items.len())?;
    let needs = items.iter().map(|(_, prepared)| prepared.need());
    let afforded = jobs::afford_all(app, tx, payer, *estimate, needs)?;
    let seq = batches::insert(tx, new)?;
    let mut setting = afforded.open(app, tx)?;
    for (n, (custom_id, prepared)) in (1..).zip(items) {
        prepared.new.batch = Some(seq);
        let aside = setting.next(prepared.need())?;
        let job = jobs::insert(app, tx, &prepared.new, aside)?;
        setting.reserve(JobRound { job, round: 1 }, aside)?;
        batches::add_item(tx, seq, n, custom_id, job)?;
    }
    setting.close()?;
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
