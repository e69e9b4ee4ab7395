//! A job: what a client asks for, the states it goes through, and what comes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::names;

/// Where a job stands. `queued → running → succeeded | failed | canceled | expired`; a retry goes
/// back to `queued`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for its first or next attempt.
    Queued,
    /// An attempt is being made.
    Running,
    /// Ended with an output; charged.
    Succeeded,
    /// Ended with an error; not charged.
    Failed,
    /// Ended by the client; not charged.
    Canceled,
    /// Waited longer than its time to live; not charged.
    Expired,
}

impl JobStatus {
    /// Every status, in the order of a job's life.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Canceled, Self::Expired];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// True for the statuses that a job only leaves by a retry.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// True where the API's state machine has an arrow from `self` to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => {
                matches!(next, Self::Running | Self::Failed | Self::Canceled | Self::Expired)
            }
            Self::Running => !matches!(next, Self::Running),
            Self::Failed | Self::Canceled | Self::Expired => matches!(next, Self::Queued),
            Self::Succeeded => false,
        }
    }
}

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person or program that asks.
    User,
    /// What the model said before.
    Assistant,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::System, Self::User, Self::Assistant];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        names::read(deserializer, |name| {
            Self::parse(name).ok_or_else(|| names::unknown(name, &Self::ALL.map(Self::as_str)))
        })
    }
}

/// One turn of the conversation that a model continues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// Tokens that a provider counted for a job, all its calls together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Both together.
    pub total_tokens: u64,
    /// Of the tokens read, those that the provider had kept from earlier calls; left out where there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Usage {
    /// Counts both kinds and their sum, with nothing read from a cache.
    pub const fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Self { prompt_tokens, completion_tokens, total_tokens, cached_tokens: 0 }
    }

    /// The same with so many of the tokens read kept from earlier calls: never more than were read.
    #[must_use]
    pub fn with_cached(self, cached_tokens: u64) -> Self {
        Self { cached_tokens: cached_tokens.min(self.prompt_tokens), ..self }
    }

    /// The tokens of two calls together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = Self::new(
            self.prompt_tokens.saturating_add(other.prompt_tokens),
            self.completion_tokens.saturating_add(other.completion_tokens),
        );
        sum.with_cached(self.cached_tokens.saturating_add(other.cached_tokens))
    }
}

/// Why a job ended without an output.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobErrorCode {
    /// The provider asked for fewer requests (429).
    RateLimit,
    /// The provider did not answer in time (408, or the job's deadline).
    Timeout,
    /// The provider failed or could not be reached (5xx, connection).
    ServerError,
    /// The provider refused the request (other 4xx).
    BadRequest,
    /// The output did not satisfy `output_schema`, not even after repairs.
    OutputSchemaMismatch,
    /// The job waited longer than its time to live.
    Expired,
    /// The server stopped unexpectedly during three attempts.
    CrashLoop,
    /// The client canceled the job.
    Canceled,
}

impl JobErrorCode {
    /// Every code.
    pub const ALL: [Self; 8] = [
        Self::RateLimit,
        Self::Timeout,
        Self::ServerError,
        Self::BadRequest,
        Self::OutputSchemaMismatch,
        Self::Expired,
        Self::CrashLoop,
        Self::Canceled,
    ];

    /// The code of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The code in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "RATE_LIMIT",
            Self::Timeout => "TIMEOUT",
            Self::ServerError => "SERVER_ERROR",
            Self::BadRequest => "BAD_REQUEST",
            Self::OutputSchemaMismatch => "OUTPUT_SCHEMA_MISMATCH",
            Self::Expired => "EXPIRED",
            Self::CrashLoop => "CRASH_LOOP",
            Self::Canceled => "CANCELED",
        }
    }

    /// True where another attempt may end differently.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimit | Self::Timeout | Self::ServerError)
    }
}

/// The error of a job, as its client sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobError {
    /// What clients branch on.
    pub code: JobErrorCode,
    /// What happened, in words.
    pub message: String,
}
