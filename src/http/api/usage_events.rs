//! `/v1/usage/events`: one record per execution.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    app::telemetry::records,
    domain::{
        Credits, ErrorKind, ExecutionStatus, JobErrorCode, JobId, Page, Result, Scope, Timestamp,
        UsageEventId,
    },
    http::{
        error::Dialect,
        reply::Reply,
        request::{AN_ID, Request},
        routes::{Route, handler},
    },
    store::telemetry::usage_events::{UsageEvent, UsageEventFilter},
};

/// One record per execution.
pub(super) fn routes() -> [Route; 1] {
    [Route::get("/v1/usage/events", "listUsageEvents", handler!(list))
        .summary(
            "Lists executions that ended or were refused, newest first: a record for the end of each job, and for \
             each request that would have made one but for a rate limit, missing credits or a cap. It is telemetry: \
             under overload, or where its disk fails, records are lost, which /metrics counts. Reports of usage do \
             not depend on it. A page may end before its limit; `next_cursor` still leads on.",
        )
        .scope(Scope::UsageRead)
        .paged()
        .query::<ExecutionStatus>("execution_status", "Only executions that ended like this.")
        .query::<String>("skill_name", "Only executions of this agent or model.")
        .query::<JobId>("job_id", "Only those of this job.")
        .query::<Timestamp>("created_after", "Only executions that ended at this time or later.")
        .query::<Timestamp>("created_before", "Only executions that ended before this time.")
        .answers::<Page<UsageEventBody<'_>>>(StatusCode::OK)]
}

/// An execution.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageEvent")]
struct UsageEventBody<'a> {
    id: UsageEventId,
    #[schemars(extend("const" = "usage_event"))]
    object: &'static str,
    /// The job; null where none was accepted.
    job_id: Option<JobId>,
    /// On whose behalf: the `user` of the job where that is a UUID, else the official UUID
    /// `00000000-0000-0000-0000-000000000001`, with the original in `metadata.original_user`. The account's id where
    /// no user was named.
    user_uid: Uuid,
    /// The name of the agent, or of the model where none was run.
    skill_name: &'a str,
    /// The id of the agent; the official UUID where none was run, with the original in `metadata.original_skill`.
    source_skill_uid: Uuid,
    /// What was charged.
    cost: Credits,
    /// How it ended, as an HTTP status.
    status_code: u16,
    execution_status: ExecutionStatus,
    /// The code of the error, where it did not succeed.
    error_code: Option<&'a str>,
    /// How long the last attempt took; 0 where there was none.
    latency_ms: u64,
    /// What there is to know when it is looked into: `request_id`, `model`, `queue_wait_ms`, `provider_ms`, `attempts`,
    /// `retries`, `repairs`, `tried`, tokens, `cached_tokens`, `error`, and more as there is.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    metadata: &'a RawValue,
    /// The name of the skill for people, as it was then.
    display_name: &'a str,
    /// The tags of the agent, as they were then.
    #[schemars(with = "Vec<String>")]
    tags: &'a RawValue,
    created_at: Timestamp,
}

impl<'a> UsageEventBody<'a> {
    fn of(event: &'a UsageEvent) -> Self {
        Self {
            id: event.id,
            object: "usage_event",
            job_id: event.job,
            user_uid: event.user_uid,
            skill_name: &event.skill_name,
            source_skill_uid: event.source_skill_uid,
            cost: event.cost,
            status_code: status_code(event.error_code.as_deref()).as_u16(),
            execution_status: event.status,
            error_code: event.error_code.as_deref(),
            latency_ms: event.latency_ms,
            metadata: &event.metadata,
            display_name: &event.display_name,
            tags: &event.tags,
            created_at: event.created_at,
        }
    }
}

/// The status that tells how an execution ended: what a client would be answered that waits for it.
fn status_code(error: Option<&str>) -> StatusCode {
    let Some(code) = error else { return StatusCode::OK };
    let of = |kind| Dialect::Own.status_of(kind).0;
    match JobErrorCode::parse(code) {
        Some(JobErrorCode::RateLimit) => of(ErrorKind::RateLimit),
        Some(JobErrorCode::Timeout) => of(ErrorKind::ProviderTimeout),
        Some(JobErrorCode::ServerError) => of(ErrorKind::ProviderFailed),
        Some(JobErrorCode::BadRequest) => of(ErrorKind::InvalidRequest),
        Some(JobErrorCode::OutputSchemaMismatch) => of(ErrorKind::OutputSchemaMismatch),
        // Not of any RFC, but what proxies write where the client closed the request.
        Some(JobErrorCode::Canceled) => StatusCode::from_u16(499).unwrap_or(StatusCode::GONE),
        Some(JobErrorCode::Expired) => StatusCode::GATEWAY_TIMEOUT,
        Some(JobErrorCode::CrashLoop) => StatusCode::INTERNAL_SERVER_ERROR,
        // Refused before there was a job.
        None => [ErrorKind::InsufficientCredits, ErrorKind::BudgetExceeded]
            .into_iter()
            .find(|kind| kind.code() == code)
            .map_or(StatusCode::TOO_MANY_REQUESTS, of),
    }
}

/// `GET /v1/usage/events`
async fn list(request: Request) -> Result<Reply> {
    let (scope, window) = (request.session()?.scope, super::window(&request)?);
    let filter = UsageEventFilter {
        status: request.choice(
            "execution_status",
            ExecutionStatus::ALL,
            ExecutionStatus::as_str,
        )?,
        skill_name: request.query_text("skill_name").map(str::to_owned),
        job: request.query("job_id", AN_ID)?,
    };
    let look = move |app: &std::sync::Arc<_>| records::usage_events(app, scope, &window, &filter);
    let page = request.heavy(look).await?;
    let bodies: Vec<_> = page.data.iter().map(UsageEventBody::of).collect();
    Reply::ok(&Page::of(bodies, page.next_cursor))
}
