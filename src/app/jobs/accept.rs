//! How a job is accepted: what is checked before, and the one transaction that does it.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    App, Caller,
    admit::admit,
    afford::{Need, set_aside},
    bounds::{Bounds, prompt_bound},
    once,
};
use crate::{
    domain::{
        Catalog, ChatMessage, Credits, Error, GenerationRequest, Idempotency, JobId, JobStatus,
        Parameters, Payer, QueueName, Result, Split, Timestamp,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        idempotency::Answer,
        job_events,
        jobs::{self, Job, JobAgent, JobRequest},
        new_jobs::{self, NewJob},
        queue::{self, Waiting, WorkId},
        spending::SetAside,
    },
};

/// What a job is to do, whichever door it came by; everything is checked but the price.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The model as the client names it.
    pub model: String,
    /// The version of an agent that it runs.
    pub agent: Option<JobAgent>,
    /// JSON array of messages.
    pub messages: Box<RawValue>,
    /// At least as many tokens as the prompt has.
    pub prompt_tokens: u64,
    /// JSON Schema that the output has to satisfy.
    pub output_schema: Option<Box<RawValue>>,
    /// JSON object that comes back with the job.
    pub metadata: Option<Box<RawValue>>,
    /// The settings of the calls.
    pub parameters: Parameters,
    /// The client's own end user.
    pub user: Option<String>,
    /// Higher goes first within the account.
    pub priority: i32,
    /// Not before this time.
    pub run_at: Option<Timestamp>,
}

/// A request that keeps all rules, ready to be accepted.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(in crate::app) new: NewJob,
    pub(in crate::app) payer: Payer,
    pub(in crate::app) estimate: Credits,
    tokens: u64,
}

impl Prepared {
    /// What it needs to be accepted.
    pub(in crate::app) fn need(&self) -> Need<'_> {
        let Self { new, estimate, tokens, .. } = self;
        Need { estimate: *estimate, tokens: *tokens, user: new.user.as_deref(), run_at: new.run_at }
    }

    /// What it holds of what the client sent, in bytes.
    pub(in crate::app) fn bytes(&self) -> usize {
        let NewJob { messages, output_schema, metadata, parameters, .. } = &self.new;
        let json = [Some(messages), output_schema.as_ref(), metadata.as_ref()];
        let json: usize = json.into_iter().flatten().map(|json| json.get().len()).sum();
        json + parameters.len()
    }

    /// The same for a job whose client waits on its connection.
    pub(in crate::app) fn direct(mut self) -> Self {
        self.new.direct = true;
        self.new.max_attempts = 1;
        self
    }
}

/// A job that was accepted, now or by an earlier request with the same idempotency key.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The job as it was accepted.
    pub job: Job,
    /// True where an earlier request made it.
    pub replayed: bool,
}

/// Checks a request against everything that needs no database. An `output_schema` that is not known
/// is compiled, which may take some milliseconds.
pub fn prepare(app: &App, caller: &Caller, request: &GenerationRequest) -> Result<Prepared> {
    prepare_with(app, &app.catalog.current(), caller, request)
}

/// The same with the models and prices of this catalog, for jobs that are accepted together.
pub(in crate::app) fn prepare_with(
    app: &App,
    catalog: &Catalog,
    caller: &Caller,
    request: &GenerationRequest,
) -> Result<Prepared> {
    request.check(app.ambient.now(), app.settings.max_timeout_ms())?;
    if let Some(schema) = &request.output_schema {
        app.contracts.compile(schema, "output_schema")?;
    }
    let messages = serde_json::value::to_raw_value(&request.messages).map_err(Error::internal)?;
    let chat: Vec<_> = request.messages.iter().cloned().map(ChatMessage::from).collect();
    let parameters = request.parameters();
    let asked = Draft {
        model: request.model.clone(),
        agent: None,
        messages,
        prompt_tokens: prompt_bound(&chat, request.output_schema.as_deref(), &parameters),
        output_schema: request.output_schema.clone(),
        metadata: request.metadata.clone(),
        parameters,
        user: request.user.clone(),
        priority: request.priority.unwrap_or(0),
        run_at: request.run_at,
    };
    draft(app, catalog, caller, asked)
}

/// Gives a job its id and what it may cost with this catalog.
pub fn draft(app: &App, catalog: &Catalog, caller: &Caller, draft: Draft) -> Result<Prepared> {
    let now = app.ambient.now();
    let payer = caller.payer()?;
    let bounds = Bounds::of(catalog, &draft.model, &draft.parameters, draft.prompt_tokens)?;
    let parameters = serde_json::to_string(&draft.parameters).map_err(Error::internal)?;
    let new = NewJob {
        id: JobId::from_uuid(app.ambient.uuid()),
        project: caller.project,
        api_key: caller.key,
        model: draft.model,
        agent: draft.agent,
        batch: None,
        direct: false,
        user: draft.user,
        priority: draft.priority,
        max_attempts: app.settings.job_attempts(),
        request_id: caller.request_id.clone(),
        trace: caller.trace,
        run_at: draft.run_at.map_or(now, |at| at.max(now)),
        price_list: catalog.price_list(),
        completion_bound: bounds.completion,
        messages: draft.messages,
        output_schema: draft.output_schema,
        metadata: draft.metadata,
        parameters,
    };
    Ok(Prepared { new, payer, estimate: bounds.estimate, tokens: bounds.tokens })
}

/// The job that an earlier request with this idempotency key was answered with. Blocks while it reads.
pub fn accepted_before(
    app: &App,
    scope: AccountScope,
    request: &Idempotency,
) -> Result<Option<Job>> {
    app.store.read(scope, |snapshot| match once::saved(snapshot, request)? {
        Some(Answer::Job { job, reserved }) => as_accepted(snapshot, job, reserved).map(Some),
        _ => Ok(None),
    })
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
fn as_accepted(snapshot: &Snapshot<'_, AccountScope>, seq: i64, reserved: Credits) -> Result<Job> {
    let job =
        jobs::by_seq(snapshot, seq)?.ok_or_else(|| Error::internal("an accepted job is gone"))?;
    Ok(Job {
        status: JobStatus::Queued,
        attempts: 0,
        started_at: None,
        result: None,
        reserved: Split { free: reserved, paid: Credits::ZERO },
        ..job
    })
}

/// The transaction of [`submit`].
pub(in crate::app) fn accept(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    prepared: &Prepared,
) -> Result<Job> {
    admit(app, 1)?;
    let Prepared { new, payer, .. } = prepared;
    set_aside(app, tx, payer, prepared.need(), |aside| {
        let job = as_inserted(tx, new, insert(app, tx, new, aside)?, aside);
        Ok((job.round(), job))
    })
}

/// Adds a job, its first event and its place in the queue; gives its internal number.
pub(in crate::app) fn insert(
    app: &App,
    tx: &Tx<'_, AccountScope>,
    new: &NewJob,
    aside: SetAside,
) -> Result<i64> {
    let seq = new_jobs::insert(tx, new, aside)?;
    job_events::begin(tx, seq, new.id, "queued")?;
    let waits = Waits { job: seq, batch: new.batch, priority: new.priority, run_at: new.run_at };
    enqueue(app, tx, waits)?;
    Ok(seq)
}

/// The row that [`jobs::insert`] made.
pub(super) fn as_inserted(
    tx: &Tx<'_, AccountScope>,
    new: &NewJob,
    seq: i64,
    aside: SetAside,
) -> Job {
    Job {
        seq,
        id: new.id,
        project: new.project,
        status: JobStatus::Queued,
        round: 1,
        model: new.model.clone(),
        agent: new.agent.clone(),
        batch: new.batch,
        direct: new.direct,
        user: new.user.clone(),
        token_bound: aside.tokens,
        attempts: 0,
        max_attempts: new.max_attempts,
        priority: new.priority,
        reserved: aside.held,
        spending: aside.spending,
        price_list: new.price_list,
        completion_bound: new.completion_bound,
        request_id: new.request_id.clone(),
        trace: new.trace,
        created_at: tx.now(),
        started_at: None,
        request: JobRequest {
            messages: new.messages.clone(),
            output_schema: new.output_schema.clone(),
            metadata: new.metadata.clone(),
            parameters: new.parameters.clone(),
        },
        result: None,
    }
}

/// A job that is to wait for its turn.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    /// Its internal number.
    pub(super) job: i64,
    /// That of its batch.
    pub(super) batch: Option<i64>,
    /// Higher goes first within the account.
    pub(super) priority: i32,
    /// Not before this time.
    pub(super) run_at: Timestamp,
}

/// Lets a job wait for its turn. Those of a batch have a lane of their own, in the background, and longer
/// time.
pub(super) fn enqueue(app: &App, tx: &Tx<'_, AccountScope>, waits: Waits) -> Result<()> {
    let Waits { job, batch, priority, run_at } = waits;
    let id = WorkId { queue: QueueName::GenerationCreate, subject: job };
    let account = tx.scope().seq().number();
    let (lane, ttl) = match batch {
        None => (account, app.settings.job_ttl),
        Some(_) => (-account, app.settings.batch_ttl),
    };
    queue::push(tx, Waiting { id, lane, priority, run_at }, run_at.plus(ttl))
}
