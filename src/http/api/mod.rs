//! The table of all routes, and a file of handlers per resource.

mod jobs;
mod meta;

use hyper::StatusCode;

use super::routes::{Access, Route, handler};
use crate::domain::{ErrorKind, GenerationRequest, JobStatus, Page, Scope, Timestamp};

/// All routes. What is not here is 404.
pub(crate) fn table() -> Vec<Route> {
    vec![
        Route::get("/healthz", "getHealth", handler!(meta::health))
            .summary("Whether the process is alive.")
            .answers::<meta::Health>(hyper::StatusCode::OK),
        Route::get("/readyz", "getReadiness", handler!(meta::ready))
            .summary(
                "Whether the server takes work: the database can write and nothing is stopping.",
            )
            .answers::<meta::Health>(hyper::StatusCode::OK)
            .errors(&[ErrorKind::Unavailable]),
        Route::get("/metrics", "getMetrics", handler!(meta::metrics))
            .summary("Numbers in the OpenMetrics text format, for Prometheus.")
            .access(Access::Metrics)
            .media_types(&["application/openmetrics-text"]),
        Route::get("/openapi.json", "getOpenApi", handler!(meta::openapi))
            .summary("This document.")
            .answers::<serde_json::Value>(hyper::StatusCode::OK),
    ]
    .into_iter()
    .chain(jobs())
    .collect()
}

/// Jobs and their stories.
fn jobs() -> [Route; 6] {
    use jobs::{EventBody, JobBody};
    [
        Route::post("/v1/jobs/generations", "createGeneration", handler!(jobs::create))
            .summary("Accepts a generation job. Durable once it is answered.")
            .scope(Scope::JobsWrite)
            .takes::<GenerationRequest>()
            .answers::<JobBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[
                ErrorKind::InvalidSchema,
                ErrorKind::UnknownModel,
                ErrorKind::ModelNotPriced,
                ErrorKind::InsufficientCredits,
            ]),
        Route::get("/v1/jobs", "listJobs", handler!(jobs::list))
            .summary("Lists jobs, newest first.")
            .scope(Scope::JobsRead)
            .paged()
            .query::<JobStatus>("status", "Only jobs with this status.")
            .query::<String>("model", "Only jobs of this model.")
            .query::<String>("agent", "Only jobs of this agent.")
            .query::<String>("user", "Only jobs for this end user.")
            .query::<Timestamp>("created_after", "Only jobs accepted at this time or later.")
            .query::<Timestamp>("created_before", "Only jobs accepted before this time.")
            .answers::<Page<JobBody<'_>>>(StatusCode::OK),
        Route::get("/v1/jobs/{id}", "getJob", handler!(jobs::get))
            .summary("Shows a job; waits for its end where asked to.")
            .scope(Scope::JobsRead)
            .query::<u64>("wait", "Seconds to wait for a terminal status, 0 to 60.")
            .answers::<JobBody<'_>>(StatusCode::OK),
        Route::get("/v1/jobs/{id}/events", "listJobEvents", handler!(jobs::events))
            .summary("Lists a job's steps, oldest first, or streams them as they happen.")
            .scope(Scope::JobsRead)
            .paged()
            .media_types(&["text/event-stream"])
            .answers::<Page<EventBody<'_>>>(StatusCode::OK),
        Route::post("/v1/jobs/{id}/cancel", "cancelJob", handler!(jobs::cancel))
            .summary("Cancels a job that has not ended and gives back what was set aside for it.")
            .scope(Scope::JobsWrite)
            .answers::<JobBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
        Route::post("/v1/jobs/{id}/retry", "retryJob", handler!(jobs::retry))
            .summary("Queues a job again that failed, expired or was canceled.")
            .scope(Scope::JobsWrite)
            .answers::<JobBody<'_>>(StatusCode::ACCEPTED)
            .errors(&[ErrorKind::Conflict, ErrorKind::InsufficientCredits]),
    ]
}
