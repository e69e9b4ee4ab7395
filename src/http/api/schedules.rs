//! `/v1/schedules`: what makes scheduled tasks again and again.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    json,
    scheduled_tasks::{self, TaskBody},
};
use crate::{
    app::schedules::{self, SchedulePatch, ScheduleRequest},
    domain::{
        CatchUp, ErrorKind, Overlap, Page, Recurrence, Result, ScheduleId, Scope, TimeZone,
        Timestamp,
    },
    http::{
        reply::Reply,
        request::Request,
        routes::{Route, handler},
    },
    store::schedules::Schedule,
};

/// Occurrences that an answer shows.
const NEXT_RUNS: usize = 5;

/// What makes scheduled tasks again and again.
pub(super) fn routes() -> [Route; 6] {
    const ALL: &str = "/v1/schedules";
    const ONE: &str = "/v1/schedules/{id}";
    [
        Route::post(ALL, "createSchedule", handler!(create))
            .summary(
                "Adds a schedule: five fields of cron (minute hour day-of-month month day-of-week), `@daily` and the \
                 like, or `every 15m`, in a time zone. Where both days are restricted either suffices. Where neither \
                 minute nor hour begins with `*`, a time that the clocks skip runs once just after, and one that comes \
                 twice runs once; else elapsed time counts.",
            )
            .scope(Scope::SchedulesWrite)
            .takes::<ScheduleRequest>()
            .answers::<ScheduleBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::Conflict]),
        Route::get(ALL, "listSchedules", handler!(list))
            .summary("Lists schedules, newest first.")
            .scope(Scope::SchedulesRead)
            .paged()
            .answers::<Page<ScheduleBody<'_>>>(StatusCode::OK),
        Route::get(ONE, "getSchedule", handler!(get))
            .summary("Shows a schedule and its next occurrences.")
            .scope(Scope::SchedulesRead)
            .answers::<ScheduleBody<'_>>(StatusCode::OK),
        Route::patch(ONE, "updateSchedule", handler!(update))
            .summary(
                "Changes a schedule, at once. What is left out stays. The key that changes it pays from then on for \
                 what its tasks spend.",
            )
            .scope(Scope::SchedulesWrite)
            .takes::<SchedulePatch>()
            .answers::<ScheduleBody<'_>>(StatusCode::OK),
        Route::delete(ONE, "deleteSchedule", handler!(delete))
            .summary("Removes a schedule. Its tasks that wait are canceled; those at work go on.")
            .scope(Scope::SchedulesWrite)
            .answers_nothing(),
        Route::post("/v1/schedules/{id}/run", "runSchedule", handler!(run))
            .summary("Makes a task of the schedule now, whatever is due and also while it is paused.")
            .scope(Scope::SchedulesWrite)
            .answers::<TaskBody<'_>>(StatusCode::CREATED)
            .errors(&[ErrorKind::QueueFull]),
    ]
}

/// What makes scheduled tasks again and again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Schedule")]
pub(super) struct ScheduleBody<'a> {
    id: ScheduleId,
    #[schemars(extend("const" = "schedule"))]
    object: &'static str,
    name: &'a str,
    #[schemars(with = "Recurrence")]
    cron: String,
    timezone: &'a TimeZone,
    function_name: &'a str,
    #[schemars(with = "Option<serde_json::Value>")]
    payload: Option<&'a RawValue>,
    catch_up: CatchUp,
    overlap: Overlap,
    jitter_seconds: u32,
    paused: bool,
    /// The next five occurrences; none while it is paused.
    next_runs: Vec<Timestamp>,
    /// The last occurrence that was dealt with.
    last_run: Option<Timestamp>,
    /// Occurrences that made no task.
    skipped: SkippedBody<'a>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Occurrences that made no task.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SkippedOccurrences")]
struct SkippedBody<'a> {
    count: u64,
    /// The newest.
    last: Option<Timestamp>,
    /// Why: `missed`, `overlap`, `too_many_tasks`, `suspended`, `changed` or `error`.
    reason: Option<&'a str>,
}

impl<'a> ScheduleBody<'a> {
    fn of(schedule: &'a Schedule) -> Self {
        let rules = &schedule.rules;
        Self {
            id: schedule.id,
            object: "schedule",
            name: &rules.name,
            cron: rules.cron.to_string(),
            timezone: &rules.timezone,
            function_name: &rules.function,
            payload: rules.payload.as_deref(),
            catch_up: rules.catch_up,
            overlap: rules.overlap,
            jitter_seconds: rules.jitter_ms / 1_000,
            paused: schedule.paused_at.is_some(),
            next_runs: schedules::next_runs(schedule, NEXT_RUNS),
            last_run: schedule.last_at,
            skipped: SkippedBody {
                count: schedule.skipped.count,
                last: schedule.skipped.at,
                reason: schedule.skipped.why.as_deref(),
            },
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

fn bytes(schedule: &Schedule) -> Result<Vec<u8>> {
    json(&ScheduleBody::of(schedule))
}

/// `POST /v1/schedules`
pub(super) async fn create(request: Request) -> Result<Reply> {
    let (new, caller) = (request.json()?, request.caller()?);
    let idempotency = request.idempotency;
    let done = schedules::create(&request.app, &caller, new, idempotency, bytes).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}

/// `GET /v1/schedules`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let (page, scope) = (request.page()?, request.session()?.scope);
    let page = request.blocking(move |app| schedules::list(app, scope, &page)).await?;
    let bodies: Vec<_> = page.data.iter().map(ScheduleBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}

/// `GET /v1/schedules/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (id, scope) = (request.id("id")?, request.session()?.scope);
    let schedule = request.blocking(move |app| schedules::get(app, scope, id)).await?;
    Reply::ok(&ScheduleBody::of(&schedule))
}

/// `PATCH /v1/schedules/{id}`
pub(super) async fn update(request: Request) -> Result<Reply> {
    let (id, patch, caller) = (request.id("id")?, request.json()?, request.caller()?);
    let schedule = schedules::update(&request.app, &caller, id, patch).await?;
    Reply::ok(&ScheduleBody::of(&schedule))
}

/// `DELETE /v1/schedules/{id}`
pub(super) async fn delete(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let mut deleted = schedules::delete(&request.app, &caller, id).await?;
    while deleted.has_more {
        deleted = schedules::cancel_rest(&request.app, &caller, deleted).await?;
    }
    Ok(Reply::no_content())
}

/// `POST /v1/schedules/{id}/run`
pub(super) async fn run(request: Request) -> Result<Reply> {
    let (id, caller) = (request.id("id")?, request.caller()?);
    let (app, idempotency) = (&request.app, request.idempotency);
    let done = schedules::run(app, &caller, id, idempotency, scheduled_tasks::bytes).await?;
    Ok(Reply::json_bytes(StatusCode::CREATED, done.body).replayed(done.replayed))
}
