//! What is recorded of requests and executions, beside the books: words and rules for it.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// Stands where an identifier is no UUID; the identifier itself is then kept beside it.
pub const OFFICIAL_UUID: Uuid = Uuid::from_u128(1);

/// The UUID that a text is in its hyphenated spelling, upper or lower case; [`OFFICIAL_UUID`] for any other, with the
/// text as what it stands for.
pub fn uuid_or_official(text: &str) -> (Uuid, Option<&str>) {
    let hyphenated = (text.len() == uuid::fmt::Hyphenated::LENGTH).then_some(text);
    match hyphenated.and_then(|text| Uuid::try_parse(text).ok()) {
        Some(uuid) => (uuid, None),
        None => (OFFICIAL_UUID, Some(text)),
    }
}

/// A family of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordKind {
    /// A request that was answered.
    Request,
    /// An execution that ended or was refused.
    UsageEvent,
    /// What an execution was asked and what it answered.
    Invocation,
}

impl RecordKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Request, Self::UsageEvent, Self::Invocation];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::UsageEvent => "usage_event",
            Self::Invocation => "invocation",
        }
    }
}

/// How an execution ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionStatus {
    /// With an answer that keeps its contract.
    Success,
    /// A model was called, or was to be, and there is no such answer.
    Failed,
    /// No model was called: it was refused, capped, canceled or expired before.
    Skipped,
}

impl ExecutionStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failed, Self::Skipped];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_uuid_is_kept_beside_the_official_one() {
        let known = "0197f0c0-5c1e-7cc3-98c4-dc0c0c07398f";
        assert_eq!(uuid_or_official(known), (known.parse().unwrap(), None));
        assert_eq!(uuid_or_official(&known.to_uppercase()), (known.parse().unwrap(), None));
        for text in ["", "anonymous", "summarize", "0197f0c05c1e7cc398c4dc0c0c07398f", "{0197f0c0}"]
        {
            assert_eq!(uuid_or_official(text), (OFFICIAL_UUID, Some(text)));
        }
        assert_eq!(OFFICIAL_UUID.to_string(), "00000000-0000-0000-0000-000000000001");
    }
}
