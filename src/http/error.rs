//! From an error to an answer: the one place that maps kinds to statuses.

use std::{borrow::Cow, error, fmt, time::Duration};

use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

pub(crate) mod openai;

use super::RequestId;
use crate::{
    domain::{Error, ErrorKind},
    observe::redact,
};

/// Clients of several SDKs give up on longer waits than this.
const RETRY_AFTER_MAX: u64 = 60;

/// The body of every answer that is not a success.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody<'a> {
    /// What was wrong.
    error: ErrorObject<'a>,
}

/// What was wrong.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorObject")]
struct ErrorObject<'a> {
    /// The family of the code.
    r#type: &'static str,
    /// What programs branch on.
    code: &'a str,
    /// What is wrong and what to do about it.
    message: &'a str,
    /// The field, parameter or header that is wrong, such as `messages/0/role`.
    param: Option<&'a str>,
    /// Names this request in the server's log.
    request_id: &'a str,
    /// More about it, for some codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    details: Option<&'a RawValue>,
}

/// Whose words an answer uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// This API's.
    Own,
    /// Those of OpenAI's API, by which its clients know what to do.
    OpenAi,
}

impl Dialect {
    /// Status and `type` of each kind of error.
    pub(super) const fn status_of(self, kind: ErrorKind) -> (StatusCode, &'static str) {
        match self {
            Self::Own => status_of(kind),
            Self::OpenAi => openai::status_of(kind),
        }
    }

    pub(super) fn code_of(self, kind: ErrorKind) -> Cow<'static, str> {
        match self {
            Self::Own => kind.code().into(),
            Self::OpenAi => openai::code_of(kind),
        }
    }

    /// The code in an answer. Clients of OpenAI's API also branch on what the provider refused.
    fn code_in(self, error: &Error) -> Cow<'_, str> {
        match (self, error.kind(), error.provider_code()) {
            (Self::OpenAi, ErrorKind::InvalidRequest, Some(code)) => code.into(),
            (_, kind, _) => self.code_of(kind),
        }
    }
}

/// Status and `type` of each kind of error in this API's words.
const fn status_of(kind: ErrorKind) -> (StatusCode, &'static str) {
    use ErrorKind as Kind;
    const INVALID: &str = "invalid_request_error";
    match kind {
        Kind::InvalidJson
        | Kind::InvalidRequest
        | Kind::InvalidSchema
        | Kind::UnknownModel
        | Kind::ModelNotPriced => (StatusCode::BAD_REQUEST, INVALID),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "authentication_error"),
        Kind::InsufficientCredits | Kind::BudgetExceeded => {
            (StatusCode::PAYMENT_REQUIRED, "insufficient_credits")
        }
        Kind::InsufficientScope | Kind::AccountSuspended => {
            (StatusCode::FORBIDDEN, "permission_error")
        }
        Kind::NotFound => (StatusCode::NOT_FOUND, "not_found_error"),
        Kind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, INVALID),
        Kind::IdempotencyKeyConflict | Kind::IdempotencyInProgress | Kind::Conflict => {
            (StatusCode::CONFLICT, "conflict_error")
        }
        Kind::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, INVALID),
        Kind::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID),
        Kind::InputSchemaMismatch => (StatusCode::UNPROCESSABLE_ENTITY, INVALID),
        Kind::RateLimit | Kind::QueueFull | Kind::DailyTokenCap => {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error")
        }
        Kind::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "api_error"),
        Kind::ProviderFailed | Kind::ProviderUnusable | Kind::OutputSchemaMismatch => {
            (StatusCode::BAD_GATEWAY, "api_error")
        }
        Kind::ProviderTimeout => (StatusCode::GATEWAY_TIMEOUT, "api_error"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "api_error"),
    }
}

/// The answer's status and body; its own headers are added to `headers`. Faults of the server are
/// logged here, once, with their causes.
pub(super) fn render(
    error: &Error,
    id: &RequestId,
    dialect: Dialect,
    headers: &mut HeaderMap,
) -> (StatusCode, Vec<u8>) {
    let (status, _) = dialect.status_of(error.kind());
    if matches!(error.kind(), ErrorKind::ServerError | ErrorKind::Unavailable) {
        log(error, id);
    }
    if dialect == Dialect::OpenAi {
        openai::advise(error.kind(), headers);
    }
    // Every 429 has one, also those of OpenAI's dialect that no retry helps soon.
    let latest = (status == StatusCode::TOO_MANY_REQUESTS).then_some(RETRY_AFTER_MAX);
    if let Some(seconds) = retry_after(error).or(latest) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    (status, body(error, id.as_str(), dialect))
}

/// The body of an answer that is not a success, or of the event that ends a stream without one.
pub(super) fn body(error: &Error, request_id: &str, dialect: Dialect) -> Vec<u8> {
    let (_, r#type) = dialect.status_of(error.kind());
    let code = dialect.code_in(error);
    let param = error.param().map(redact::credentials);
    let details = error.details().and_then(without_credentials);
    let body = ErrorBody {
        error: ErrorObject {
            r#type,
            code: &redact::credentials(&code),
            message: &redact::credentials(error.message()),
            param: param.as_deref(),
            request_id,
            details: details.as_deref().or(error.details()),
        },
    };
    // Strings and a finished value always serialise.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The same details where credentials were among them: whoever mistook a field for another is not shown them again, nor
/// is whoever reads the answer in a log.
fn without_credentials(details: &RawValue) -> Option<Box<RawValue>> {
    let mut value = serde_json::from_str(details.get()).ok()?;
    redact::json_credentials(&mut value).then(|| to_raw_value(&value).ok()).flatten()
}

/// Whole seconds, 1–60, for the kinds that a later retry can help. The cap of a day alone holds for longer: to say
/// less would have its clients come back in vain.
fn retry_after(error: &Error) -> Option<u64> {
    use ErrorKind as Kind;
    let most = if error.kind() == Kind::DailyTokenCap { u64::MAX } else { RETRY_AFTER_MAX };
    let default = match error.kind() {
        Kind::RateLimit | Kind::QueueFull | Kind::IdempotencyInProgress => Some(1),
        Kind::Unavailable => Some(5),
        _ => None,
    };
    let given = error.retry_after().map(seconds_up);
    given.or(default).map(|seconds| seconds.clamp(1, most))
}

/// Whole seconds, rounded up.
pub(super) const fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + if duration.subsec_nanos() > 0 { 1 } else { 0 }
}

fn log(error: &Error, id: &RequestId) {
    let (request_id, code) = (id.as_str(), error.kind().code());
    tracing::error!(request_id, code, cause = %Causes(error), "{}", error.message());
}

/// The causes of an error, outermost first.
struct Causes<'a>(&'a Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = error::Error::source(self.0);
        let mut separator = "";
        while let Some(cause) = next {
            write!(out, "{separator}{cause}")?;
            separator = ": ";
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn rendered(error: &Error) -> (u16, HeaderMap, Value) {
        let mut headers = HeaderMap::new();
        let id = RequestId::from_static("r-1");
        let (status, body) = render(error, &id, Dialect::Own, &mut headers);
        let body = serde_json::from_slice(&body).unwrap();
        (status.as_u16(), headers, body)
    }

    #[test]
    fn all_five_fields_are_always_there() {
        let (status, _, body) = rendered(&Error::not_found("job"));
        assert_eq!(status, 404);
        let fields: Vec<_> = body["error"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["type", "code", "message", "param", "request_id"]);
        assert_eq!(body["error"]["request_id"], "r-1");
        assert!(body["error"]["param"].is_null());
    }

    #[test]
    fn causes_stay_inside() {
        let (status, _, body) = rendered(&Error::internal("near \"select\": syntax error"));
        assert_eq!(status, 500);
        assert!(!body.to_string().contains("select"));
        let nested = Error::internal(Error::internal("inner"));
        assert!(Causes(&nested).to_string().ends_with(": inner"));
    }

    #[test]
    fn waits_are_between_a_second_and_a_minute_or_until_the_next_day() {
        let wait = |error: Error| {
            let value = rendered(&error).1.remove(RETRY_AFTER);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let limited = || Error::new(ErrorKind::RateLimit, "slow down");
        assert_eq!(wait(limited()).as_deref(), Some("1"));
        let after = |millis| limited().with_retry_after(Duration::from_millis(millis));
        assert_eq!(wait(after(0)).as_deref(), Some("1"));
        assert_eq!(wait(after(1_001)).as_deref(), Some("2"));
        assert_eq!(wait(after(3_600_000)).as_deref(), Some("60"));
        assert_eq!(wait(Error::not_found("job")), None);
        let capped = |seconds| {
            let error = Error::new(ErrorKind::DailyTokenCap, "tomorrow");
            error.with_retry_after(Duration::from_secs(seconds))
        };
        assert_eq!(wait(capped(0)).as_deref(), Some("1"));
        assert_eq!(wait(capped(80_000)).as_deref(), Some("80000"));
    }

    #[test]
    fn says_how_to_authenticate() {
        let error = Error::new(ErrorKind::Unauthenticated, "no key");
        let (status, headers, _) = rendered(&error);
        assert_eq!(status, 401);
        assert_eq!(headers[WWW_AUTHENTICATE], "Bearer");
    }
}
