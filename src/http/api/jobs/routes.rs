//! The rows of jobs in the table of all routes.

use hyper::StatusCode;

use super::{EventBody, JobBody};
use crate::{
    domain::{ErrorKind, GenerationRequest, JobStatus, Page, Scope, Timestamp},
    http::routes::{Route, Whole, handler},
};

/// Jobs and their stories.
pub(in crate::http::api) fn routes() -> [Route; 6] {
    [
        Route::post("/v1/jobs/generations", "createGeneration", handler!(super::create))
            .summary("Accepts a generation job. Durable once it is answered.")
            .scope(Scope::JobsWrite)
            .takes::<GenerationRequest>()
            .answers::<JobBody<'_>>(StatusCode::ACCEPTED)
            .headers(&["Location"])
            .spends()
            .errors(&[
                ErrorKind::InvalidSchema,
                ErrorKind::UnknownModel,
                ErrorKind::ModelNotPriced,
            ]),
        Route::get("/v1/jobs", "listJobs", handler!(super::list))
            .summary("Lists jobs, newest first. A page ends before its limit where jobs are large, at some 4 MiB, and \
                 where few match among many: then it may be empty and `next_cursor` still leads on.")
            .scope(Scope::JobsRead)
            .paged()
            .query::<JobStatus>("status", "Only jobs with this status.")
            .query::<String>("model", "Only jobs of this model.")
            .query::<String>("agent", "Only jobs of this agent.")
            .query::<String>("user", "Only jobs for this end user.")
            .query::<Timestamp>("created_after", "Only jobs accepted at this time or later.")
            .query::<Timestamp>("created_before", "Only jobs accepted before this time.")
            .answers::<Page<JobBody<'_>>>(StatusCode::OK),
        Route::get("/v1/jobs/{id}", "getJob", handler!(super::get))
            .summary("Shows a job; waits for its end where asked to.")
            .scope(Scope::JobsRead)
            .query::<Whole<0, 60>>("wait", "Seconds to wait for a terminal status.")
            .answers::<JobBody<'_>>(StatusCode::OK),
        Route::get("/v1/jobs/{id}/events", "listJobEvents", handler!(super::events))
            .summary("Lists a job's steps, oldest first, or streams them as they happen.")
            .scope(Scope::JobsRead)
            .paged()
            .reads::<u64>(
                "Last-Event-ID",
                "Where a stream goes on: the `id` of the last event that was received. The list does not read it.",
            )
            .media_types(&["text/event-stream"])
            .answers::<Page<EventBody<'_>>>(StatusCode::OK),
        Route::post("/v1/jobs/{id}/cancel", "cancelJob", handler!(super::cancel))
            .summary("Cancels a job that has not ended and gives back what was set aside for it.")
            .scope(Scope::JobsWrite)
            .answers::<JobBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
        Route::post("/v1/jobs/{id}/retry", "retryJob", handler!(super::retry))
            .summary("Queues a job again that failed, expired or was canceled.")
            .scope(Scope::JobsWrite)
            .answers::<JobBody<'_>>(StatusCode::ACCEPTED)
            .spends()
            .errors(&[ErrorKind::Conflict]),
    ]
}
