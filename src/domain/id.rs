//! Public identifiers: a newtype per kind of object, so that one kind cannot be given for another.
//!
//! All are UUIDv7 (RFC 9562 §5.7): they sort by time of creation, which keeps indexes append-only.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::names;

/// The text is not a lower-case, hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an id: a UUID in lower case with hyphens")]
pub struct MalformedId;

/// Parses the one spelling that is accepted: 36 characters, lower-case, hyphenated.
fn parse_uuid(text: &str) -> Result<Uuid, MalformedId> {
    let uuid = Uuid::try_parse(text).map_err(|_| MalformedId)?;
    let mut buffer = Uuid::encode_buffer();
    if uuid.hyphenated().encode_lower(&mut buffer) == text { Ok(uuid) } else { Err(MalformedId) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Above every other: a list that nothing was shown of begins below it.
            pub const MAX: Self = Self(Uuid::max());

            /// Makes the id from a UUID that `ambient` or the store gave.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id as a UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The id as the store keeps it.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                names::read(deserializer, str::parse)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                parse_uuid(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )+};
}

ids! {
    /// A tenant.
    AccountId
    /// A part of an account with its own keys and limits.
    ProjectId
    /// An API key; says nothing about its secret.
    ApiKeyId
    /// A prompt with its contracts.
    AgentId
    /// One state of an agent.
    AgentVersionId
    /// Jobs that were accepted together.
    BatchId
    /// Cases that an agent is judged by.
    EvalId
    /// A version of an agent put to an eval.
    EvalRunId
    /// A unit of work that a client asked for.
    JobId
    /// One line of the credits ledger.
    LedgerEntryId
    /// Credits given at one time, from one source.
    GrantId
    /// Somebody whom an account's jobs are for.
    EndUserId
    /// A place that receives webhooks.
    EndpointId
    /// One event on its way to one endpoint.
    DeliveryId
    /// Something that happened and is told to endpoints.
    EventId
    /// Work that its queue gave up on.
    DeadLetterId
    /// What a scheduled task can run.
    FunctionId
    /// What makes tasks again and again.
    ScheduleId
    /// One intent to run a function at a time.
    TaskId
    /// A request in the log of requests.
    RequestRecordId
    /// An execution that ended or was refused, in telemetry.
    UsageEventId
    /// What an execution was asked and answered, in telemetry.
    InvocationId
    /// Somebody who signs in to the dashboard.
    UserId
    /// A browser that somebody signed in with.
    DashboardSessionId
    /// A change in the audit log.
    AuditEntryId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_the_canonical_spelling() {
        let canonical = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
        assert_eq!(canonical.parse::<JobId>().unwrap().to_string(), canonical);
        for other in [
            "0197F0C0-5C1E-7CC3-98C4-DC0C0C07398F",
            "0197f0c05c1e7cc398c4dc0c0c07398f",
            "{0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f}",
            "urn:uuid:0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f",
            "",
            "1",
        ] {
            assert_eq!(other.parse::<JobId>(), Err(MalformedId), "{other}");
        }
    }
}
