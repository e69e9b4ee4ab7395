//! Pure rules and the words for them. Nothing here reads a clock, draws a random number or does I/O.

mod credits;
mod error;
mod id;
mod job;
pub mod json;
pub mod schema;
mod secret;
mod time;

pub use credits::{Credits, MalformedCredits};
pub use error::{Error, ErrorKind, Result};
pub use id::{
    AccountId, ApiKeyId, DeadLetterId, DeliveryId, EndpointId, EventId, GrantId, JobId,
    LedgerEntryId, MalformedId, ProjectId,
};
pub use job::{JobError, JobErrorCode, JobStatus, Message, Role, Usage};
pub use secret::Secret;
pub use time::{MalformedTime, Timestamp};
