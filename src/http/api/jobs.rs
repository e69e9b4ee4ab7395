//! `/v1/jobs`: submit, list, look, follow, cancel, retry.

use std::{sync::Arc, time::Duration};

use hyper::{StatusCode, header::HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    app::{App, JobWatch, jobs},
    domain::{
        Credits, Cursor, Error, GenerationRequest, JobError, JobId, JobStatus, Page, Result,
        Timestamp, Usage,
    },
    http::{
        body::BodySender,
        reply::Reply,
        request::{A_TIME, Request},
    },
    store::{
        AccountScope,
        job_events::JobEvent,
        jobs::{Job, JobFilter},
    },
};

/// The longest that a request may wait for a job, in seconds.
const WAIT_MAX: u64 = 60;
/// How often a silent stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events read at a time.
const EVENTS: u32 = 100;

/// What was set aside and what was taken for a job.
#[derive(Serialize, JsonSchema)]
pub(super) struct JobCredits {
    /// Set aside when the job was accepted; free again once it ended.
    reserved: Credits,
    /// What the job cost.
    charged: Credits,
}

/// A job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(super) struct JobBody<'a> {
    id: JobId,
    /// The same as `id`; in the answers that accept a job, now or again.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
    #[schemars(extend("const" = "job"))]
    object: &'static str,
    #[serde(rename = "type")]
    #[schemars(extend("const" = "generation.create"))]
    kind: &'static str,
    status: JobStatus,
    /// The model as the request named it.
    model: &'a str,
    /// The agent that made the job; null for jobs without one.
    agent: Option<serde_json::Map<String, serde_json::Value>>,
    /// The caller's own end user.
    user: Option<&'a str>,
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<&'a RawValue>,
    #[schemars(with = "Vec<crate::domain::Message>")]
    messages: &'a RawValue,
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    output_schema: Option<&'a RawValue>,
    /// The JSON value that satisfies `output_schema`.
    #[schemars(with = "Option<serde_json::Value>")]
    output: Option<&'a RawValue>,
    /// What the model said.
    output_text: Option<&'a str>,
    usage: Option<Usage>,
    /// The provider that answered.
    provider: Option<&'a str>,
    credits: JobCredits,
    error: Option<&'a JobError>,
    /// Attempts made since the job was accepted or last retried.
    attempts: u32,
    max_attempts: u32,
    request_id: &'a str,
    created_at: Timestamp,
    /// When the last attempt began.
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    /// From the beginning of the last attempt to its end.
    latency_ms: Option<u64>,
}

impl<'a> JobBody<'a> {
    fn of(job: &'a Job) -> Self {
        let result = job.result.as_ref();
        let finished_at = result.map(|result| result.finished_at);
        let latency = finished_at.zip(job.started_at).map(|(end, start)| end.since(start));
        Self {
            id: job.id,
            job_id: None,
            object: "job",
            kind: "generation.create",
            status: job.status,
            model: &job.model,
            agent: None,
            user: job.user.as_deref(),
            metadata: job.request.metadata.as_deref(),
            messages: &job.request.messages,
            output_schema: job.request.output_schema.as_deref(),
            output: result.and_then(|result| result.output.as_deref()),
            output_text: result.and_then(|result| result.output_text.as_deref()),
            usage: result.and_then(|result| result.usage),
            provider: result.and_then(|result| result.provider.as_deref()),
            credits: JobCredits {
                reserved: job.reserved.total().unwrap_or_default(),
                charged: result.map(|result| result.charged).unwrap_or_default(),
            },
            error: result.and_then(|result| result.error.as_ref()),
            attempts: job.attempts,
            // An attempt that broke off with the server is made again, though it was the last.
            max_attempts: job.max_attempts.max(job.attempts),
            request_id: &job.request_id,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at,
            latency_ms: latency.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// A job as the bytes of an answer.
fn bytes(job: &Job) -> Result<Vec<u8>> {
    serde_json::to_vec(&JobBody::of(job)).map_err(Error::internal)
}

/// The bytes of an answer that accepts a job.
fn accepted(job: &Job) -> Result<Vec<u8>> {
    super::json(&JobBody { job_id: Some(job.id), ..JobBody::of(job) })
}

/// One step of a job's story.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobEvent")]
pub(super) struct EventBody<'a> {
    id: crate::domain::EventId,
    #[schemars(extend("const" = "job_event"))]
    object: &'static str,
    job_id: JobId,
    /// Its place in the story, from 1; the stream's `id`.
    sequence: i64,
    /// `queued`, `started`, `retrying`, `succeeded`, `failed`, `canceled` or `expired`.
    #[serde(rename = "type")]
    kind: &'a str,
    /// Particulars, by type.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    data: Option<&'a RawValue>,
    request_id: &'a str,
    created_at: Timestamp,
}

impl<'a> EventBody<'a> {
    fn of(event: &'a JobEvent, job: &'a Job) -> Self {
        Self {
            id: event.id,
            object: "job_event",
            job_id: job.id,
            sequence: event.n,
            kind: &event.name,
            data: event.data.as_deref(),
            request_id: &job.request_id,
            created_at: event.created_at,
        }
    }
}

/// `POST /v1/jobs/generations`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let body: GenerationRequest = request.json()?;
    let caller = request.caller()?;
    let is_known = |schema| request.app.contracts.knows(schema);
    let prepared = if body.output_schema.as_deref().is_none_or(is_known) {
        jobs::prepare(&request.app, &caller, &body)?
    } else {
        // Compiling a schema may take milliseconds.
        let caller = caller.clone();
        request.blocking(move |app| jobs::prepare(app, &caller, &body)).await?
    };
    let idempotency = request.idempotency;
    let submitted = jobs::submit(&request.app, &caller, prepared, idempotency).await?;
    let (job, replayed) = (&submitted.job, submitted.replayed);
    let location =
        HeaderValue::from_str(&format!("/v1/jobs/{}", job.id)).map_err(Error::internal)?;
    let reply = Reply::json_bytes(StatusCode::ACCEPTED, accepted(job)?).replayed(replayed);
    Ok(reply.header("location", location))
}

/// `GET /v1/jobs`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let page = request.page()?;
    let filter = JobFilter {
        status: request.query_text("status").map(status).transpose()?,
        model: request.query_text("model").map(str::to_owned),
        agent: request.query_text("agent").map(str::to_owned),
        user: request.query_text("user").map(str::to_owned),
        created_after: request.query("created_after", A_TIME)?,
        created_before: request.query("created_before", A_TIME)?,
        before: page.after.as_ref().map(Cursor::uuid).transpose()?.map(JobId::from_uuid),
    };
    let scope = request.session()?.scope;
    let limit = page.limit;
    let page = request.blocking(move |app| jobs::list(app, scope, &filter, limit)).await?;
    // The rows are borrowed by their bodies, so the page is written here.
    let bodies: Vec<_> = page.data.iter().map(JobBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

fn status(name: &str) -> Result<JobStatus> {
    JobStatus::parse(name).ok_or_else(|| {
        let names = JobStatus::ALL.map(JobStatus::as_str).join(", ");
        Error::invalid("status", format!("status must be one of {names}"))
    })
}

/// `GET /v1/jobs/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let id = request.id::<JobId>("id")?;
    let scope = request.session()?.scope;
    let allowed = format!("a whole number from 0 to {WAIT_MAX}");
    let wait = request.query::<u64>("wait", &allowed)?.unwrap_or(0);
    if wait > WAIT_MAX {
        return Err(Error::invalid("wait", format!("wait must be {allowed}")));
    }
    let job = if wait == 0 {
        request.blocking(move |app| jobs::get(app, scope, id)).await?
    } else {
        wait_for(&request, scope, id, Duration::from_secs(wait)).await?
    };
    Reply::ok(&JobBody::of(&job))
}

/// Looks at the job after each of its steps until it has ended or the time is over.
async fn wait_for(
    request: &Request,
    scope: AccountScope,
    id: JobId,
    patience: Duration,
) -> Result<Job> {
    let deadline = Instant::now() + patience;
    let mut watch = request.app.watches.job(id)?;
    loop {
        watch.steps().mark_unchanged();
        let closed = watch.is_closed();
        let job = request.blocking(move |app| jobs::get(app, scope, id)).await?;
        if job.status.is_terminal() || closed {
            return Ok(job);
        }
        if timeout_at(deadline, watch.steps().changed()).await.is_err() {
            return Ok(job);
        }
    }
}

/// `GET /v1/jobs/{id}/events`
pub(super) async fn events(request: Request) -> Result<Reply> {
    let id = request.id::<JobId>("id")?;
    let scope = request.session()?.scope;
    if request.accepts("text/event-stream") {
        return stream(&request, scope, id).await;
    }
    let page = request.page()?;
    let (after, limit) = (page.after.as_ref().map_or(Ok(0), sequence)?, page.limit);
    let (job, rows) =
        request.blocking(move |app| jobs::events(app, scope, id, after, limit + 1)).await?;
    let page = Page::cut(rows, limit, |event| Cursor::from_key(&event.n.to_be_bytes()));
    let bodies: Vec<_> = page.data.iter().map(|event| EventBody::of(event, &job)).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

fn sequence(cursor: &Cursor) -> Result<i64> {
    let bytes = cursor
        .key()
        .try_into()
        .map_err(|_| Error::invalid("cursor", "cursor must be a `next_cursor` of this list"))?;
    Ok(i64::from_be_bytes(bytes))
}

async fn stream(request: &Request, scope: AccountScope, id: JobId) -> Result<Reply> {
    let after = match request.header(&hyper::header::HeaderName::from_static("last-event-id")) {
        None | Some("") => 0,
        Some(text) => text.parse().map_err(|_| {
            Error::invalid(
                "Last-Event-ID",
                "Last-Event-ID must be the id of an event that was received; leave it out for all",
            )
        })?,
    };
    let watch = request.app.watches.job(id)?;
    // Refuses a job that is not there before the stream begins.
    request.blocking(move |app| jobs::get(app, scope, id)).await?;
    let (sender, reply) = Reply::stream("text/event-stream");
    tokio::spawn(follow(Arc::clone(&request.app), scope, id, after, watch, sender));
    Ok(reply)
}

/// Sends a job's events as they happen, until the one that ends it.
async fn follow(
    app: Arc<App>,
    scope: AccountScope,
    id: JobId,
    mut after: i64,
    mut watch: JobWatch,
    sender: BodySender,
) {
    loop {
        watch.steps().mark_unchanged();
        let closed = watch.is_closed();
        let reading = Arc::clone(&app);
        let read = tokio::task::spawn_blocking(move || {
            jobs::events(&reading, scope, id, after, EVENTS as usize)
        });
        let Ok(Ok((job, events))) = read.await else { return };
        let is_last = events.len() < EVENTS as usize;
        for event in &events {
            after = event.n;
            if sender.send(frame(event, &job)).await.is_err() {
                return;
            }
        }
        if is_last && (job.status.is_terminal() || closed) {
            return;
        }
        if is_last && !wait_or_keep_alive(&mut watch, &sender).await {
            return;
        }
    }
}

/// One event of the stream (WHATWG HTML, 9.2 server-sent events).
fn frame(event: &JobEvent, job: &Job) -> Vec<u8> {
    let data = serde_json::to_string(&EventBody::of(event, job)).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.n, event.name).into_bytes()
}

/// True when there may be more to send, false when the reader is gone.
async fn wait_or_keep_alive(watch: &mut JobWatch, sender: &BodySender) -> bool {
    loop {
        let next = tokio::select! {
            next = timeout(KEEP_ALIVE, watch.steps().changed()) => next,
            () = sender.closed() => return false,
        };
        match next {
            Ok(_) => return true,
            Err(_) if sender.send(": keep-alive\n\n").await.is_err() => return false,
            Err(_) => {}
        }
    }
}

/// `POST /v1/jobs/{id}/cancel`
pub(super) async fn cancel(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id::<JobId>("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = jobs::cancel(&request.app, &caller, id, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}

/// `POST /v1/jobs/{id}/retry`
pub(super) async fn retry(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id::<JobId>("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = jobs::retry(&request.app, &caller, id, idempotency, accepted).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}
