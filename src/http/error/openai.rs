//! Errors in the words of OpenAI's API.

use std::borrow::Cow;

use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};

use crate::domain::ErrorKind as Kind;

/// Status and `type`, where they differ from this API's own.
pub(super) const fn status_of(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::UnknownModel => (StatusCode::NOT_FOUND, "invalid_request_error"),
        Kind::InsufficientCredits | Kind::BudgetExceeded => {
            (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota")
        }
        other => super::status_of(other),
    }
}

/// The code that clients of OpenAI's API branch on; for what it has no code for, this API's in lower case.
pub(super) fn code_of(kind: Kind) -> Cow<'static, str> {
    match kind {
        Kind::Unauthenticated => "invalid_api_key".into(),
        Kind::UnknownModel => "model_not_found".into(),
        Kind::InsufficientCredits | Kind::BudgetExceeded => "insufficient_quota".into(),
        Kind::RateLimit => "rate_limit_exceeded".into(),
        other => other.code().to_ascii_lowercase().into(),
    }
}

/// Tells OpenAI's clients not to send again what will be refused again: by themselves they do so after each
/// 408, 409, 429 and 5xx.
pub(super) fn advise(kind: Kind, headers: &mut HeaderMap) {
    const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
    let helps = matches!(
        kind,
        Kind::RateLimit
            | Kind::QueueFull
            | Kind::IdempotencyInProgress
            | Kind::ServerError
            | Kind::Unavailable
            | Kind::ProviderFailed
            | Kind::ProviderTimeout
    );
    if !helps {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Error,
        http::{
            RequestId,
            error::{Dialect, render},
        },
    };

    #[test]
    fn the_words_are_those_that_clients_of_openai_know() {
        for (kind, status, code, should_retry) in [
            (Kind::Unauthenticated, 401, "invalid_api_key", false),
            (Kind::UnknownModel, 404, "model_not_found", false),
            (Kind::InsufficientCredits, 429, "insufficient_quota", false),
            (Kind::BudgetExceeded, 429, "insufficient_quota", false),
            (Kind::RateLimit, 429, "rate_limit_exceeded", true),
            (Kind::QueueFull, 429, "queue_full", true),
            (Kind::InvalidRequest, 400, "invalid_request", false),
            (Kind::IdempotencyKeyConflict, 409, "idempotency_key_conflict", false),
            (Kind::IdempotencyInProgress, 409, "idempotency_in_progress", true),
            (Kind::ProviderFailed, 502, "server_error", true),
            (Kind::ProviderUnusable, 502, "server_error", false),
            (Kind::ProviderTimeout, 504, "timeout", true),
            (Kind::OutputSchemaMismatch, 502, "output_schema_mismatch", false),
        ] {
            let mut headers = HeaderMap::new();
            let id = RequestId::from_static("r-1");
            let error = Error::new(kind, "no");
            let (found, body) = render(&error, &id, Dialect::OpenAi, &mut headers);
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((found.as_u16(), body["error"]["code"].as_str()), (status, Some(code)));
            assert_eq!(headers.contains_key("x-should-retry"), !should_retry, "{code}");
            assert!(status != 429 || headers.contains_key("retry-after"), "{code}");
            let fields: Vec<_> = body["error"].as_object().unwrap().keys().collect();
            assert_eq!(fields, ["type", "code", "message", "param", "request_id"]);
        }
    }
}
