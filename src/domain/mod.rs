//! Pure rules and the words for them. Nothing here reads a clock, draws a random number or does I/O.

mod credits;
mod duration;
mod error;
mod id;
mod job;
mod ledger;
mod queue;
mod rate_limit;
mod secret;
mod time;

pub use credits::{Credits, MalformedCredits};
pub use duration::{format_duration, parse_duration};
pub use error::{Error, ErrorKind, Result};
pub use id::{
    AccountId, ApiKeyId, DeadLetterId, DeliveryId, EndpointId, EventId, GrantId, JobId,
    LedgerEntryId, MalformedId, ProjectId,
};
pub use job::{JobError, JobErrorCode, JobStatus, Message, Role, Usage};
pub use ledger::{Bucket, EntryKind, Split};
pub use queue::QueueName;
pub use rate_limit::{MalformedRateLimit, RateLimit};
pub use secret::Secret;
pub use time::{MalformedTime, Timestamp};
