//! What can be done with jobs. A job's state, its credits, its story, its place in the queue and the
//! news of it change in one transaction, or not at all.

mod outcome;

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

pub use outcome::{Outcome, begin, finish, give_up};

use outcome::fail;

use super::{App, Caller, Reply, Secrecy, once};
use crate::{
    domain::{
        ChatMessage, Contract, Credits, Cursor, Error, ErrorKind, GenerationRequest, Idempotency,
        JobError, JobErrorCode, JobId, JobStatus, Page, Parameters, QueueName, Result, Split,
        Timestamp, prompt_upper_bound,
    },
    store::{
        AccountScope, Commit, Tx, dead_letters,
        idempotency::Answer,
        job_events::{self, JobEvent},
        jobs::{self, Job, JobFilter, JobRequest, NewJob},
        ledger::{self, Cover, Hold, JobRound},
        queue::{self, Waiting, WorkId},
    },
};

/// A request that keeps all rules, ready to be accepted.
#[derive(Clone, Debug)]
pub struct Prepared {
    new: NewJob,
    estimate: Credits,
}

/// A job that was accepted, now or by an earlier request with the same idempotency key.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The job as it was accepted.
    pub job: Job,
    /// True where an earlier request made it.
    pub replayed: bool,
}

/// Checks a request against everything that needs no database. Compiling `output_schema` may take
/// some milliseconds.
pub fn prepare(app: &App, caller: &Caller, request: &GenerationRequest) -> Result<Prepared> {
    let now = app.ambient.now();
    request.check(now, app.settings.max_timeout_ms())?;
    if let Some(schema) = &request.output_schema {
        contract(schema)?;
    }
    let messages = serde_json::value::to_raw_value(&request.messages).map_err(Error::internal)?;
    let estimate = estimate(app, request)?;
    let parameters = serde_json::to_string(&request.parameters()).map_err(Error::internal)?;
    let new = NewJob {
        id: JobId::from_uuid(app.ambient.uuid()),
        project: caller.project,
        api_key: caller.key,
        model: request.model.clone(),
        user: request.user.clone(),
        priority: request.priority.unwrap_or(0),
        max_attempts: app.settings.job_attempts(),
        request_id: caller.request_id.clone(),
        run_at: request.run_at.map_or(now, |at| at.max(now)),
        messages,
        output_schema: request.output_schema.clone(),
        metadata: request.metadata.clone(),
        parameters,
    };
    Ok(Prepared { new, estimate })
}

/// The schema that an output has to satisfy.
pub fn contract(schema: &RawValue) -> Result<Contract> {
    let value = serde_json::from_str(schema.get()).map_err(Error::internal)?;
    Contract::compile(&value).map_err(|fault| {
        let place = fault.path.as_deref().map(|path| format!(" at {path}")).unwrap_or_default();
        let message = format!("output_schema{place}: {}", fault.message);
        Error::new(ErrorKind::InvalidSchema, message).with_param("output_schema")
    })
}

fn estimate(app: &App, request: &GenerationRequest) -> Result<Credits> {
    let schema = request.output_schema.as_deref().map(RawValue::get);
    let messages: Vec<_> = request.messages.iter().cloned().map(ChatMessage::from).collect();
    let prompt = prompt_upper_bound(&messages, schema);
    let fallbacks = request.fallback_models.as_deref().unwrap_or_default();
    dearest(app, &request.model, fallbacks, prompt, request.max_tokens)
}

/// What the job may cost with the dearest of the models that may answer.
fn dearest(
    app: &App,
    model: &str,
    fallbacks: &[String],
    prompt: u64,
    max_tokens: Option<u32>,
) -> Result<Credits> {
    let mut most = app.catalog.find(model, "model")?.estimate(prompt, max_tokens)?;
    for (at, name) in fallbacks.iter().enumerate() {
        let param = format!("fallback_models/{at}");
        let estimate = app.catalog.find(name, &param)?.estimate(prompt, max_tokens);
        most = most.max(estimate.map_err(|error| match error.kind() {
            ErrorKind::ModelNotPriced => error.with_param(param),
            _ => error,
        })?);
    }
    Ok(most)
}

/// Accepts a job: the answer saved under its key, the reservation, the job, its first event and its
/// place in the queue are one transaction.
pub fn submit(
    app: &Arc<App>,
    caller: &Caller,
    prepared: Prepared,
    request: Option<Idempotency>,
) -> Commit<Submitted> {
    let this = Arc::clone(app);
    app.store.write(caller.scope, move |tx| {
        let Some(request) = &request else {
            return Ok(Submitted { job: accept(&this, tx, &prepared)?, replayed: false });
        };
        match once::saved(tx, request)? {
            Some(Answer::Job { job, reserved }) => {
                let job = as_accepted(tx, job, reserved)?;
                Ok(Submitted { job, replayed: true })
            }
            Some(Answer::Body(_)) => Err(Error::internal("an answer of another kind was saved")),
            None => {
                let job = accept(&this, tx, &prepared)?;
                let reserved = job.reserved.total().unwrap_or_default();
                once::save(&this, tx, request, Answer::Job { job: job.seq, reserved })?;
                Ok(Submitted { job, replayed: false })
            }
        }
    })
}

/// The job as its 202 showed it: what can change later is as it was.
fn as_accepted(tx: &Tx<'_, AccountScope>, seq: i64, reserved: Credits) -> Result<Job> {
    let job = jobs::by_seq(tx, seq)?.ok_or_else(|| Error::internal("an accepted job is gone"))?;
    Ok(Job {
        status: JobStatus::Queued,
        attempts: 0,
        started_at: None,
        result: None,
        reserved: Split { free: reserved, paid: Credits::ZERO },
        ..job
    })
}

fn accept(app: &App, tx: &Tx<'_, AccountScope>, prepared: &Prepared) -> Result<Job> {
    // Refusals come before the first write, so that they cost the other deeds of the batch nothing.
    let hold = cover(tx, prepared.estimate)?;
    let new = &prepared.new;
    let seq = jobs::insert(tx, new, hold.split)?;
    ledger::reserve(tx, JobRound { job: seq, round: 1 }, hold)?;
    job_events::begin(tx, seq, new.id, "queued")?;
    enqueue(app, tx, seq, new.priority, new.run_at)?;
    Ok(Job {
        seq,
        id: new.id,
        status: JobStatus::Queued,
        round: 1,
        model: new.model.clone(),
        user: new.user.clone(),
        attempts: 0,
        max_attempts: new.max_attempts,
        priority: new.priority,
        reserved: hold.split,
        request_id: new.request_id.clone(),
        created_at: tx.now(),
        started_at: None,
        request: JobRequest {
            messages: new.messages.clone(),
            output_schema: new.output_schema.clone(),
            metadata: new.metadata.clone(),
            parameters: new.parameters.clone(),
        },
        result: None,
    })
}

/// What is to be set aside for a job, or 402.
fn cover(tx: &Tx<'_, AccountScope>, required: Credits) -> Result<Hold> {
    match ledger::cover(tx, required)? {
        Cover::Held(hold) => Ok(hold),
        Cover::Short { available } => Err(short(required, available)),
    }
}

/// The details of a 402. Not `json!`, which would read the numbers as floats.
#[derive(Serialize)]
struct Shortage {
    required: Credits,
    available: Credits,
}

fn short(required: Credits, available: Credits) -> Error {
    let message = format!(
        "the job may cost {required} credits and {available} are available; add credits, or lower \
         max_tokens"
    );
    Error::new(ErrorKind::InsufficientCredits, message)
        .with_details(&Shortage { required, available })
}

fn enqueue(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    job: i64,
    priority: i32,
    run_at: Timestamp,
) -> Result<()> {
    let id = WorkId { queue: QueueName::GenerationCreate, subject: job };
    let lane = tx.scope().seq().number();
    let expires_at = run_at.plus(app.settings.job_ttl);
    queue::push(tx, Waiting { id, lane, priority, run_at }, expires_at)
}
/// The account's job of that id.
pub fn get(app: &App, scope: AccountScope, id: JobId) -> Result<Job> {
    let found = app.store.read(scope, |snapshot| jobs::find(snapshot, id))?;
    found.ok_or_else(|| Error::not_found("job"))
}

/// The account's jobs, newest first: up to `limit`, fewer where they are large.
pub fn list(app: &App, scope: AccountScope, filter: &JobFilter, limit: usize) -> Result<Page<Job>> {
    let rows = app.store.read(scope, |snapshot| jobs::list(snapshot, filter, limit))?;
    Ok(Page::read(rows, |job| Cursor::from_uuid(job.id.uuid())))
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
/// being made is abandoned.
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
        queue::withdraw(tx, WorkId { queue: QueueName::GenerationCreate, subject: job.seq })?;
        let message = "canceled by request".to_owned();
        let error = JobError { code: JobErrorCode::Canceled, message };
        fail(&this, tx, &job, JobStatus::Canceled, &error, None)?;
        must_find(tx, id)
    })
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
    once::once(app, caller.scope, request, Secrecy::Plain, render, move |tx| {
        requeue(&this, tx, id)?;
        must_find(tx, id)
    })
}

/// The transaction of [`retry`], for redriving dead letters too.
pub(super) fn requeue(app: &App, tx: &Tx<'_, AccountScope>, id: JobId) -> Result<()> {
    let job = must_find(tx, id)?;
    if !job.status.may_become(JobStatus::Queued) || !job.status.is_terminal() {
        return Err(ended(&job, "cannot be retried"));
    }
    let estimate = estimate_again(app, &job)?;
    let hold = cover(tx, estimate)?;
    let round = JobRound { job: job.seq, round: job.round + 1 };
    jobs::restart(tx, round, hold.split)?;
    ledger::reserve(tx, round, hold)?;
    let work = WorkId { queue: QueueName::GenerationCreate, subject: job.seq };
    dead_letters::redriven(tx, work)?;
    job_events::add(tx, job.seq, job.id, "queued", Some(r#"{"retry":true}"#))?;
    enqueue(app, tx, job.seq, job.priority, tx.now())
}

fn estimate_again(app: &App, job: &Job) -> Result<Credits> {
    let messages: Vec<ChatMessage> =
        serde_json::from_str(job.request.messages.get()).map_err(Error::internal)?;
    let parameters: Parameters =
        serde_json::from_str(&job.request.parameters).map_err(Error::internal)?;
    let schema = job.request.output_schema.as_deref().map(RawValue::get);
    let extras = parameters.extras.values().map(|extra| extra.get());
    let prompt = prompt_upper_bound(&messages, schema.into_iter().chain(extras));
    dearest(app, &job.model, &parameters.fallback_models, prompt, parameters.max_tokens)
}

fn must_find(tx: &Tx<'_, AccountScope>, id: JobId) -> Result<Job> {
    jobs::find(tx, id)?.ok_or_else(|| Error::not_found("job"))
}

fn ended(job: &Job, what: &str) -> Error {
    let message = format!("the job is {} and {what}", job.status.as_str());
    Error::new(ErrorKind::Conflict, message)
}
