//! What a call is told that has no answer.

use std::time::Duration;

use crate::{
    domain::{Error, ErrorKind, JobError, JobErrorCode},
    providers::ProviderError,
    store::jobs::Job,
};

/// How long a twin waits before it asks for the answer again.
const TWIN_PAUSE: Duration = Duration::from_secs(1);

/// A job that ended without an answer, and was retried by hand.
pub(super) fn retried(job: &Job) -> Error {
    let message = format!(
        "the call under this Idempotency-Key failed, and its job was retried and succeeded: see \
         /v1/jobs/{}; send a new key for a new call",
        job.id
    );
    Error::new(ErrorKind::Conflict, message)
}

/// What a job is told whose call broke off here.
pub(super) fn broken() -> JobError {
    let message = "the server failed during the call".to_owned();
    JobError { code: JobErrorCode::ServerError, message }
}

/// A twin of this request is still being answered.
pub(super) fn in_progress() -> Error {
    let message =
        "a request with this Idempotency-Key is still being answered; ask again in a moment";
    Error::new(ErrorKind::IdempotencyInProgress, message).with_retry_after(TWIN_PAUSE)
}

/// The server stops.
pub(super) fn stopping() -> Error {
    Error::unavailable("the server is stopping; send the request again", TWIN_PAUSE)
}

/// Somebody ended the job meanwhile.
pub(super) fn canceled() -> Error {
    Error::new(ErrorKind::Conflict, "the job was canceled before its answer was whole")
}

/// What the client is told where no model gave an answer to keep.
pub(super) fn refusal(error: &JobError, provider: Option<&ProviderError>) -> Error {
    let kind = match error.code {
        JobErrorCode::RateLimit => ErrorKind::RateLimit,
        JobErrorCode::Timeout => ErrorKind::ProviderTimeout,
        JobErrorCode::OutputSchemaMismatch => ErrorKind::OutputSchemaMismatch,
        // The provider refuses this server, not the request.
        JobErrorCode::BadRequest
            if provider.is_some_and(|error| matches!(error.status, Some(401 | 403 | 404))) =>
        {
            ErrorKind::ProviderUnusable
        }
        JobErrorCode::BadRequest => ErrorKind::InvalidRequest,
        _ if provider.is_some_and(|error| !error.retryable) => ErrorKind::ProviderUnusable,
        _ => ErrorKind::ProviderFailed,
    };
    let code = provider.and_then(|error| error.provider_code.clone());
    let told = Error::new(kind, error.message.clone()).with_provider_code(code).of_job();
    match provider.and_then(|error| error.retry_after) {
        Some(after) => told.with_retry_after(after),
        None => told,
    }
}
