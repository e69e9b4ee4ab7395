//! `/v1/scheduled-tasks`: each intent to run a function at a time, and what came of it.

use std::time::Duration;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{jobs::until, json};
use crate::{
    app::tasks::{self, Asked, Processed},
    domain::{
        Cursor, ErrorKind, JobId, Page, Result, ScheduleId, Scope, TaskError, TaskId, TaskRequest,
        TaskStatus, Timestamp,
    },
    http::{
        reply::Reply,
        request::{AN_ID, Request},
        routes::{Route, handler},
    },
    store::scheduled_tasks::{Task, TaskFilter},
};

/// How long one request to run what is due waits for it.
const PATIENCE: Duration = Duration::from_secs(25);

/// Each intent to run a function, and what came of it.
pub(super) fn routes() -> [Route; 6] {
    const ALL: &str = "/v1/scheduled-tasks";
    [
        Route::post(ALL, "createScheduledTask", handler!(create))
            .summary("Lets a function run, now or later.")
            .scope(Scope::SchedulesWrite)
            .takes::<TaskRequest>()
            .answers::<TaskBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::QueueFull]),
        Route::get(ALL, "listScheduledTasks", handler!(list))
            .summary(
                "Lists tasks, newest first. A page ends before its limit where few match among many: then it may be \
                 empty and `next_cursor` still leads on.",
            )
            .scope(Scope::SchedulesRead)
            .paged()
            .query::<TaskStatus>("status", "Only tasks with this status.")
            .query::<String>("function_name", "Only tasks of this function.")
            .query::<ScheduleId>("schedule_id", "Only tasks of this schedule.")
            .answers::<Page<TaskBody<'_>>>(StatusCode::OK),
        Route::get("/v1/scheduled-tasks/{id}", "getScheduledTask", handler!(get))
            .summary("Shows a task.")
            .scope(Scope::SchedulesRead)
            .answers::<TaskBody<'_>>(StatusCode::OK),
        Route::post("/v1/scheduled-tasks/{id}/cancel", "cancelScheduledTask", handler!(cancel))
            .summary(
                "Cancels a task that is not over. An attempt that is being made is abandoned; the job of a run of an \
                 agent is canceled with it.",
            )
            .scope(Scope::SchedulesWrite)
            .answers::<TaskBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
        Route::post("/v1/scheduled-tasks/{id}/retry", "retryScheduledTask", handler!(retry))
            .summary("Lets a task that failed or was canceled wait again, with all its retries.")
            .scope(Scope::SchedulesWrite)
            .answers::<TaskBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[ErrorKind::Conflict]),
        Route::post("/v1/scheduled-tasks/process", "processScheduledTasks", handler!(process))
            .summary(
                "Runs the account's tasks that are due, up to 100, and waits up to 25 seconds until an attempt at each \
                 has ended: for a cron outside. Tasks run by themselves too, unless the operator paused their queue.",
            )
            .scope(Scope::SchedulesWrite)
            .answers::<ProcessedBody>(StatusCode::OK),
    ]
}

/// One intent to run a function at a time, and what came of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScheduledTask")]
pub(super) struct TaskBody<'a> {
    id: TaskId,
    #[schemars(extend("const" = "scheduled_task"))]
    object: &'static str,
    function_name: &'a str,
    /// The schedule that made it.
    schedule_id: Option<ScheduleId>,
    status: TaskStatus,
    /// When it is to run.
    scheduled_time: Timestamp,
    /// What the function is given.
    #[schemars(with = "Option<serde_json::Value>")]
    payload: Option<&'a RawValue>,
    /// Attempts that began.
    attempts: u32,
    /// Why the last attempt failed, also where the next one is to come.
    error: Option<&'a TaskError>,
    /// What the function gave back: counts, the answer of the account's server as `{status_code, body}`, or the job of
    /// an agent's run as `{job_id, status}`.
    #[schemars(with = "Option<serde_json::Value>")]
    result: Option<&'a RawValue>,
    /// The job of an agent's run.
    job_id: Option<JobId>,
    /// How long the last attempt took, once the task is over.
    duration_ms: Option<u64>,
    request_id: &'a str,
    created_at: Timestamp,
    /// When the last attempt began.
    started_at: Option<Timestamp>,
    /// When the task was over.
    finished_at: Option<Timestamp>,
}

impl<'a> TaskBody<'a> {
    pub(super) fn of(task: &'a Task) -> Self {
        let took = task.started_at.zip(task.finished_at).map(|(began, ended)| ended.since(began));
        Self {
            id: task.id,
            object: "scheduled_task",
            function_name: &task.function,
            schedule_id: task.schedule.map(|(_, id)| id),
            status: task.status,
            scheduled_time: task.scheduled_time,
            payload: task.payload.as_deref(),
            attempts: task.attempts,
            error: task.error.as_ref(),
            result: task.result.as_deref(),
            job_id: task.job.and_then(|(_, id)| id),
            duration_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            request_id: &task.request_id,
            created_at: task.created_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
        }
    }
}

pub(super) fn bytes(task: &Task) -> Result<Vec<u8>> {
    json(&TaskBody::of(task))
}

/// What became of the tasks that were due.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScheduledTasksProcessed")]
pub(super) struct ProcessedBody {
    #[schemars(extend("const" = "scheduled_tasks_processed"))]
    object: &'static str,
    /// Tasks of which an attempt ended.
    processed: u32,
    /// Those of them that are completed.
    completed: u32,
    /// Those of them whose attempt failed; it is made again where retries are left.
    failed: u32,
    /// Tasks that are still at work.
    running: u32,
}

fn processed(report: &Processed) -> Result<Vec<u8>> {
    let Processed { processed, completed, failed, running } = *report;
    let object = "scheduled_tasks_processed";
    json(&ProcessedBody { object, processed, completed, failed, running })
}

/// `POST /v1/scheduled-tasks`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (new, caller) = (request.json()?, request.caller()?);
    let idempotency = request.idempotency;
    let done = tasks::create(&request.app, &caller, new, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/scheduled-tasks`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, scope) = (request.page()?, request.session()?.scope);
    let filter = TaskFilter {
        status: request.choice("status", TaskStatus::ALL, TaskStatus::as_str)?,
        function: request.query_text("function_name").map(str::to_owned),
        schedule: request.query("schedule_id", AN_ID)?,
        before: page.after.as_ref().map(Cursor::uuid).transpose()?.map(TaskId::from_uuid),
    };
    let limit = page.limit;
    let page = request.blocking(move |app| tasks::list(app, scope, &filter, limit)).await?;
    let bodies: Vec<_> = page.data.iter().map(TaskBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/scheduled-tasks/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (id, scope) = (request.id("id")?, request.session()?.scope);
    let task = request.blocking(move |app| tasks::get(app, scope, id)).await?;
    Reply::ok(&TaskBody::of(&task))
}

/// `POST /v1/scheduled-tasks/{id}/cancel`
pub(super) async fn cancel(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = tasks::cancel(&request.app, &caller, id, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}

/// `POST /v1/scheduled-tasks/{id}/retry`
pub(super) async fn retry(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let idempotency = request.idempotency;
    let done = tasks::retry(&request.app, &caller, id, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::ACCEPTED, done.body).replayed(done.replayed))
}

/// `POST /v1/scheduled-tasks/process`
pub(super) async fn process(mut request: Request) -> Result<Reply> {
    let (caller, idempotency) = (request.caller()?, request.idempotency.take());
    let (asking, known) = (caller.clone(), idempotency);
    let before = move |app: &std::sync::Arc<_>| tasks::answered(app, &asking, known.as_ref());
    if let Some(reply) = request.blocking(before).await? {
        return Ok(Reply::json_bytes(StatusCode::OK, reply.body).replayed(true));
    }
    let asking = caller.clone();
    let asked = request.blocking(move |app| tasks::demand(app, &asking)).await?.await?;
    await_attempts(&request, &asked).await?;
    let scope = caller.scope;
    let report = request.blocking(move |app| tasks::report(app, scope, &asked)).await?;
    let done = tasks::answer(&request.app, &caller, report, idempotency, processed).await?;
    Ok(Reply::json_bytes(StatusCode::OK, done.body).replayed(done.replayed))
}

/// Waits until an attempt at each task has ended, but not for longer than one request may take.
async fn await_attempts(request: &Request, asked: &[Asked]) -> Result<()> {
    let (deadline, scope) = (Instant::now() + PATIENCE, request.session()?.scope);
    for task in asked.iter().copied() {
        let watch = request.app.watches.task(task.id)?;
        let left = deadline.saturating_duration_since(Instant::now());
        until(request, watch, left, move |app| tasks::has_ended(app, scope, task), |over| *over)
            .await?;
    }
    Ok(())
}
