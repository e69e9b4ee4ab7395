//! `/v1/dlq`: work that its queue gave up on.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::{
    app::dead_letters,
    domain::{
        DeadLetterId, DeliveryId, ErrorKind, JobId, Page, QueueName, Result, Scope, TaskId,
        Timestamp,
    },
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
    store::dead_letters::DeadLetter,
};

/// Work that its queue gave up on.
pub(super) fn routes() -> [Route; 2] {
    [
        Route::get("/v1/dlq", "listDeadLetters", handler!(list))
            .summary("Lists work that was given up and not put back, newest first.")
            .scope(Scope::JobsRead)
            .paged()
            .query::<String>("queue", "Only of this queue, such as `generation.create.dlq`.")
            .answers::<Page<DeadLetterBody<'_>>>(StatusCode::OK),
        Route::post("/v1/dlq/{id}/redrive", "redriveDeadLetter", handler!(redrive))
            .summary("Puts work back into its queue: a job with a new reservation, a delivery or a scheduled task with all its retries, a payment.")
            .scope(Scope::JobsWrite)
            .answers::<DeadLetterBody<'_>>(StatusCode::ACCEPTED)
            .spends()
            .errors(&[ErrorKind::Conflict]),
    ]
}

/// Work that its queue gave up on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub(super) struct DeadLetterBody<'a> {
    id: DeadLetterId,
    #[schemars(extend("const" = "dead_letter"))]
    object: &'static str,
    /// The queue's name with `.dlq`.
    queue: String,
    /// The job, in `generation.create.dlq`.
    job_id: Option<JobId>,
    /// The delivery, in `webhook.delivery.dlq`.
    delivery_id: Option<DeliveryId>,
    /// The scheduled task, in `task.run.dlq`.
    task_id: Option<TaskId>,
    /// Why it was given up: an error code.
    reason: &'a str,
    /// The same in words.
    message: &'a str,
    /// Attempts that were made.
    attempts: u32,
    /// When it was given up.
    created_at: Timestamp,
    /// When it was put back into its queue.
    redriven_at: Option<Timestamp>,
}

impl<'a> DeadLetterBody<'a> {
    fn of(letter: &'a DeadLetter) -> Self {
        Self {
            id: letter.id,
            object: "dead_letter",
            queue: name_of(letter.work.queue),
            job_id: letter.job_id,
            delivery_id: letter.delivery_id,
            task_id: letter.task_id,
            reason: &letter.reason,
            message: &letter.message,
            attempts: letter.attempts,
            created_at: letter.created_at,
            redriven_at: letter.redriven_at,
        }
    }
}

/// What the dead letters of a queue are called.
fn name_of(queue: QueueName) -> String {
    format!("{}.dlq", queue.as_str())
}

fn bytes(letter: &DeadLetter) -> Result<Vec<u8>> {
    json(&DeadLetterBody::of(letter))
}

/// `GET /v1/dlq`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, caller) = (request.page()?, request.caller()?);
    let queue = request.choice("queue", QueueName::ALL, name_of)?;
    let page = request.blocking(move |app| dead_letters::list(app, &caller, queue, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(DeadLetterBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `POST /v1/dlq/{id}/redrive`
pub(super) async fn redrive(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = dead_letters::redrive(&request.app, &caller, id, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}
