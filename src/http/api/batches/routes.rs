//! The rows of batches in the table of all routes.

use hyper::StatusCode;

use super::body::{BatchBody, ResultBody};
use crate::{
    domain::{BatchRequest, ErrorKind, Page, Scope},
    http::routes::{BodyLimit, Route, Whole, handler},
};

/// Jobs that are accepted together.
pub(in crate::http::api) fn routes() -> [Route; 5] {
    [
        Route::post("/v1/batches", "createBatch", handler!(super::create))
            .summary(
                "Accepts many jobs together, or none. They run in the background: while other jobs \
                 can begin, theirs do not.",
            )
            .scope(Scope::JobsWrite)
            .takes::<BatchRequest>()
            .body_limit(BodyLimit::Batch)
            .answers::<BatchBody<'_>>(StatusCode::ACCEPTED)
            .spends()
            .errors(&[
                ErrorKind::InputSchemaMismatch,
                ErrorKind::Conflict,
                ErrorKind::InvalidSchema,
                ErrorKind::UnknownModel,
                ErrorKind::ModelNotPriced,
            ]),
        Route::get("/v1/batches", "listBatches", handler!(super::list))
            .summary("Lists batches, newest first.")
            .scope(Scope::JobsRead)
            .paged()
            .answers::<Page<BatchBody<'_>>>(StatusCode::OK),
        Route::get("/v1/batches/{id}", "getBatch", handler!(super::get))
            .summary("Shows a batch; waits for the end of its jobs where asked to.")
            .scope(Scope::JobsRead)
            .query::<Whole<0, 60>>("wait", "Seconds to wait for a terminal status.")
            .answers::<BatchBody<'_>>(StatusCode::OK),
        Route::get("/v1/batches/{id}/results", "listBatchResults", handler!(super::results))
            .summary(
                "Lists what has become of a batch's requests, in their order. A page of large ones \
                 ends before its limit, at some 4 MiB. As JSON Lines, all of them.",
            )
            .scope(Scope::JobsRead)
            .paged()
            .media_types(&["application/jsonl", "application/x-ndjson"])
            .answers::<Page<ResultBody<'_>>>(StatusCode::OK),
        Route::post("/v1/batches/{id}/cancel", "cancelBatch", handler!(super::cancel))
            .summary(
                "Cancels a batch: none of its jobs begins any more, and those that are not over are \
                 canceled.",
            )
            .scope(Scope::JobsWrite)
            .answers::<BatchBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::Conflict]),
    ]
}
