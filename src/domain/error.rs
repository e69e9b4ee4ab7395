//! The one error that deeds return. It knows no HTTP: the edge maps [`ErrorKind`] to a status.

use std::{error, fmt, time::Duration};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// Everything that can be wrong with a request, as clients tell it apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// The body is not JSON, nested too deeply, or has duplicate keys.
    InvalidJson,
    /// A field, parameter or header has a value that is not allowed.
    InvalidRequest,
    /// A JSON Schema in the request is not a valid schema, or not one that is accepted.
    InvalidSchema,
    /// No model of that name is configured.
    UnknownModel,
    /// The model has no price and is not marked as free.
    ModelNotPriced,
    /// The API key is missing, unknown, revoked or expired.
    Unauthenticated,
    /// The balance does not cover what the job may cost.
    InsufficientCredits,
    /// A limit of the project or key does not cover what the job may cost.
    BudgetExceeded,
    /// The API key lacks the scope.
    InsufficientScope,
    /// The operator suspended the account.
    AccountSuspended,
    /// There is no such object in this account.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The idempotency key was used with another body.
    IdempotencyKeyConflict,
    /// The first request with this idempotency key has not ended yet.
    IdempotencyInProgress,
    /// The object's state does not allow it.
    Conflict,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The input does not satisfy the agent's input schema.
    InputSchemaMismatch,
    /// Too many requests.
    RateLimit,
    /// Too many jobs are waiting.
    QueueFull,
    /// The end user has used up today's tokens.
    DailyTokenCap,
    /// A fault of the server.
    ServerError,
    /// A model's provider failed, and may not the next time.
    ProviderFailed,
    /// A model's provider cannot be used before the operator mends something.
    ProviderUnusable,
    /// A model's provider did not answer in time.
    ProviderTimeout,
    /// No answer of the model satisfied the schema.
    OutputSchemaMismatch,
    /// The server cannot do this now but will be able to.
    Unavailable,
}

impl ErrorKind {
    /// The code that clients see and may branch on.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidJson => "INVALID_JSON",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::InvalidSchema => "INVALID_SCHEMA",
            Self::UnknownModel => "UNKNOWN_MODEL",
            Self::ModelNotPriced => "MODEL_NOT_PRICED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::InsufficientCredits => "INSUFFICIENT_CREDITS",
            Self::BudgetExceeded => "BUDGET_EXCEEDED",
            Self::InsufficientScope => "INSUFFICIENT_SCOPE",
            Self::AccountSuspended => "ACCOUNT_SUSPENDED",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::IdempotencyKeyConflict => "IDEMPOTENCY_KEY_CONFLICT",
            Self::IdempotencyInProgress => "IDEMPOTENCY_IN_PROGRESS",
            Self::Conflict => "CONFLICT",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::InputSchemaMismatch => "INPUT_SCHEMA_MISMATCH",
            Self::RateLimit => "RATE_LIMIT",
            Self::QueueFull => "QUEUE_FULL",
            Self::DailyTokenCap => "DAILY_TOKEN_CAP",
            Self::ServerError | Self::ProviderFailed | Self::ProviderUnusable => "SERVER_ERROR",
            Self::ProviderTimeout => "TIMEOUT",
            Self::OutputSchemaMismatch => "OUTPUT_SCHEMA_MISMATCH",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// Why a deed was refused or failed: a kind, a message for the client and, apart from it, the cause.
#[derive(Debug)]
pub struct Error(Box<Fault>);

/// On the heap, so that results stay small where nothing goes wrong.
#[derive(Debug)]
struct Fault {
    kind: ErrorKind,
    message: String,
    param: Option<String>,
    provider_code: Option<String>,
    details: Option<Box<RawValue>>,
    retry_after: Option<Duration>,
    is_of_job: bool,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

/// What a deed gives.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Says what is wrong and what to do about it. The message reaches the client.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Fault {
            kind,
            message: message.into(),
            param: None,
            provider_code: None,
            details: None,
            retry_after: None,
            is_of_job: false,
            source: None,
        }))
    }

    /// A field of the request has a bad value; `param` is its path, such as `messages/0/role`.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message).with_param(param)
    }

    /// There is no such object in the caller's account.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            ErrorKind::NotFound,
            format!("no such {what}; check the id and the account of the key"),
        )
    }

    /// There is no such object on this server, which the operator sees whole.
    pub fn none_on_server(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("no such {what}; check the id"))
    }

    /// A fault of the server. The cause is logged; the client sees neither it nor anything internal.
    pub fn internal(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let message = "the server failed; retry, and report the request_id if it happens again";
        Self::new(ErrorKind::ServerError, message).with_source(source)
    }

    /// The server cannot do this for now.
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(ErrorKind::Unavailable, message).with_retry_after(retry_after)
    }

    /// Names the field or parameter that is wrong.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// The same error of a part of the request, such as `requests/17`: what is wrong is within it.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.0.param = Some(match &self.0.param {
            Some(param) => format!("{place}/{param}"),
            None => place.to_owned(),
        });
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// Adds the code of the provider that refused the request.
    #[must_use]
    pub fn with_provider_code(mut self, code: Option<String>) -> Self {
        self.0.provider_code = code;
        self
    }

    /// Adds machine-readable details. They are kept as text, so that credits keep their spelling.
    #[must_use]
    pub fn with_details(mut self, details: &impl Serialize) -> Self {
        self.0.details = to_raw_value(details).ok();
        self
    }

    /// Says that a job tells of it too, which was accepted before.
    #[must_use]
    pub fn of_job(mut self) -> Self {
        self.0.is_of_job = true;
        self
    }

    /// Whether a job tells of it too.
    pub fn is_of_job(&self) -> bool {
        self.0.is_of_job
    }

    /// Says when a retry can help.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Adds the cause, for the log alone.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What clients branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The text for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field or parameter that is wrong.
    pub fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// The code of the provider that refused the request, such as `context_length_exceeded`.
    pub fn provider_code(&self) -> Option<&str> {
        self.0.provider_code.as_deref()
    }

    /// Machine-readable details.
    pub fn details(&self) -> Option<&RawValue> {
        self.0.details.as_deref()
    }

    /// When a retry can help.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.0.kind.code(), self.0.message)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
