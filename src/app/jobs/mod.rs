//! What can be done with jobs. A job's state, its credits, its story, its place in the queue and the
//! news of it change in one transaction, or not at all.

mod accept;
mod admit;
mod afford;
mod begin;
mod bounds;
pub mod direct;
pub(in crate::app) mod ending;
mod outcome;
mod told;

use std::sync::Arc;

pub use accept::{Draft, Prepared, Submitted, accepted_before, draft, prepare, submit};
pub use begin::begin;
pub use bounds::prompt_bound;
pub use ending::{Outcome, Success};
pub use outcome::{finish, give_up};

use accept::{Waits, enqueue};
use afford::set_aside;
use bounds::Bounds;

pub(in crate::app) use accept::{accept, insert, prepare_with};
pub(in crate::app) use admit::{admit, admit_early};
pub(in crate::app) use afford::{Need, afford_all};
pub(in crate::app) use bounds::{check_models, tokens_of};

use super::{App, Caller, Reply, Secrecy, batches, once};
use crate::{
    domain::{
        Cursor, Error, ErrorKind, Idempotency, JobError, JobErrorCode, JobId, JobStatus, Page,
        Payer, QueueName, Result,
    },
    store::{
        AccountScope, Commit, Tx, dead_letters,
        job_events::{self, JobEvent},
        job_list::{self, JobFilter},
        jobs::{self, Job},
        ledger::JobRound,
        open_jobs::OpenJob,
        queue::{self, WorkId},
        spending,
    },
};

/// The account's job of that id.
pub fn get(app: &App, scope: AccountScope, id: JobId) -> Result<Job> {
    let found = app.store.read(scope, |snapshot| jobs::find(snapshot, id))?;
    found.ok_or_else(|| Error::not_found("job"))
}

/// The account's jobs, newest first: up to `limit`, fewer where they are large or hard to find.
pub fn list(app: &App, scope: AccountScope, filter: &JobFilter, limit: usize) -> Result<Page<Job>> {
    let page = app.store.read(scope, |snapshot| job_list::list(snapshot, filter, limit))?;
    Ok(super::page_of(page, |id| Cursor::from_uuid(id.uuid())))
}

/// A job and up to `limit` of its steps after number `after`, oldest first.
pub fn events(
    app: &App,
    scope: AccountScope,
    id: JobId,
    after: i64,
    limit: usize,
) -> Result<(Job, Vec<JobEvent>)> {
    app.store.read(scope, |snapshot| {
        let job = jobs::find(snapshot, id)?.ok_or_else(|| Error::not_found("job"))?;
        let events = job_events::list(snapshot, job.seq, after, limit)?;
        Ok((job, events))
    })
}

/// Cancels a job that has not ended: what was set aside comes back at once, and an attempt that is
/// being made is abandoned. A stream whose client has a part of the answer is cut there instead, and what
/// it has is charged as if the client had left: the job ends by itself, a moment later.
pub fn cancel(
    app: &Arc<App>,
    caller: &Caller,
    id: JobId,
    request: Option<Idempotency>,
    render: once::Render<Job>,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        let job = must_find(tx, id)?;
        if job.status.is_terminal() {
            return Err(ended(&job, "cannot be canceled any more"));
        }
        // To cut it twice, as where this is executed again, does no harm.
        if job.direct && this.calls.cut_answer(job.seq) {
            return Ok(job);
        }
        withdraw(&this, tx, &OpenJob::of(&job), "canceled by request")?;
        must_find(tx, id)
    })
}

/// Takes a job out of its queue, whoever works on it, and ends it as canceled.
pub(super) fn withdraw(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: &OpenJob,
    message: &str,
) -> Result<()> {
    queue::withdraw(tx, WorkId { queue: QueueName::GenerationCreate, subject: job.seq })?;
    let error = JobError { code: JobErrorCode::Canceled, message: message.to_owned() };
    outcome::fail_open(app, tx, job, JobStatus::Canceled, &error)
}

/// Lets a job that ended without success wait again, with a new reservation at today's price.
pub fn retry(
    app: &Arc<App>,
    caller: &Caller,
    id: JobId,
    request: Option<Idempotency>,
    render: once::Render<Job>,
) -> Commit<Reply> {
    let this = Arc::clone(app);
    let payer = caller.payer;
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        requeue(&this, tx, payer, id)?;
        must_find(tx, id)
    })
}

/// The transaction of [`retry`], for redriving dead letters too. Whoever asks for it pays; where nobody is named,
/// whoever paid before.
pub(super) fn requeue(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    payer: Option<Payer>,
    id: JobId,
) -> Result<()> {
    let job = must_find(tx, id)?;
    if !job.status.may_become(JobStatus::Queued) || !job.status.is_terminal() {
        return Err(ended(&job, "cannot be retried"));
    }
    let catalog = app.catalog.current();
    let Bounds { completion, tokens, estimate } = Bounds::again(&catalog, &job)?;
    admit(app, 1)?;
    batches::may_retry(tx, &job)?;
    let payer = match payer {
        Some(payer) => payer,
        None => spending::payer_of(tx, job.spending)?
            .ok_or_else(|| Error::internal("a job was paid by nobody"))?,
    };
    let need = Need { estimate, tokens, user: job.user.as_deref(), run_at: tx.now() };
    set_aside(app, tx, &payer, need, |aside| {
        let round = JobRound { job: job.seq, round: job.round + 1 };
        jobs::restart(tx, round, aside, catalog.price_list(), completion)?;
        Ok((round, ()))
    })?;
    let work = WorkId { queue: QueueName::GenerationCreate, subject: job.seq };
    dead_letters::redriven(tx, work)?;
    job_events::add(tx, job.seq, job.id, "queued", Some(r#"{"retry":true}"#))?;
    batches::step(app, tx, job.batch, job.status, JobStatus::Queued)?;
    let Job { seq, batch, priority, .. } = job;
    enqueue(app, tx, Waits { job: seq, batch, priority, run_at: tx.now() })
}

fn must_find(tx: &Tx<'_, AccountScope>, id: JobId) -> Result<Job> {
    jobs::find(tx, id)?.ok_or_else(|| Error::not_found("job"))
}

fn ended(job: &Job, what: &str) -> Error {
    let message = format!("the job is {} and {what}", job.status.as_str());
    Error::new(ErrorKind::Conflict, message)
}
