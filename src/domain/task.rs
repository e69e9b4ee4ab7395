//! A scheduled task: one intent to run a function at a time, and the states it goes through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Error, Result, Timestamp, checks};

/// Bytes of a payload.
const PAYLOAD_MAX: usize = 64 * 1024;

/// Where a task stands. `pending → running → completed | failed | canceled`; an attempt that failed and is to be
/// made again goes back to `pending`, and so does a retry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Waits for its time, or for its next attempt.
    Pending,
    /// An attempt is being made.
    Running,
    /// The function succeeded.
    Completed,
    /// The function failed for good.
    Failed,
    /// Somebody canceled it.
    Canceled,
}

impl TaskStatus {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Canceled];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// True for the statuses that a task only leaves by a retry.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// True where a retry is possible: a task that did what it was for is not done again.
    pub const fn may_be_retried(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled)
    }
}

/// Why the last attempt failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct TaskError {
    /// As those of jobs and of the API's errors.
    #[schemars(example = &"TIMEOUT")]
    pub code: String,
    /// The same in words.
    pub message: String,
}

impl TaskError {
    /// Takes code and words.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl From<&Error> for TaskError {
    /// A deed that was refused.
    fn from(error: &Error) -> Self {
        Self::new(error.kind().code(), error.message())
    }
}

/// `POST /v1/scheduled-tasks`: one run of a function.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// The function's name.
    pub function_name: String,
    /// Not before this time, at most a year ahead; now where nothing is said.
    pub scheduled_time: Option<Timestamp>,
    /// What the function is given: any JSON value up to 64 KiB. A function that runs an agent takes it for the
    /// input, in place of its own.
    #[schemars(with = "Option<serde_json::Value>")]
    pub payload: Option<Box<RawValue>>,
}

impl TaskRequest {
    /// Checks every field; the error names the first that is wrong.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        check_payload(self.payload.as_deref())?;
        checks::ahead("scheduled_time", self.scheduled_time, now)
    }
}

/// Refuses a payload that is too large.
pub fn check_payload(payload: Option<&RawValue>) -> Result<()> {
    if payload.is_some_and(|payload| payload.get().len() > PAYLOAD_MAX) {
        let message = format!("payload must have at most {PAYLOAD_MAX} bytes of JSON");
        return Err(Error::invalid("payload", message));
    }
    Ok(())
}
