//! What webhooks can tell, and who wants to hear it.

use std::{borrow::Cow, collections::BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::{Error, Result};

/// Everything that a webhook can tell.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
pub enum EventType {
    /// A job succeeded and was charged.
    #[serde(rename = "job.completed")]
    JobCompleted,
    /// A job failed for good, or expired.
    #[serde(rename = "job.failed")]
    JobFailed,
    /// A client canceled a job.
    #[serde(rename = "job.canceled")]
    JobCanceled,
    /// Every job of a batch has ended.
    #[serde(rename = "batch.completed")]
    BatchCompleted,
    /// A figure of an agent became much worse.
    #[serde(rename = "agent.drift")]
    AgentDrift,
    /// The account got credits.
    #[serde(rename = "credits.granted")]
    CreditsGranted,
    /// The balance fell below the account's mark.
    #[serde(rename = "credits.low")]
    CreditsLow,
    /// A project or key reached a part of its budget.
    #[serde(rename = "budget.threshold")]
    BudgetThreshold,
    /// A scheduled task failed for good.
    #[serde(rename = "task.failed")]
    TaskFailed,
    /// An endpoint is sent nothing any more, since it said so or kept failing.
    #[serde(rename = "webhook.endpoint.disabled")]
    WebhookEndpointDisabled,
    /// A test that someone asked for.
    #[serde(rename = "ping")]
    Ping,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 11] = [
        Self::JobCompleted,
        Self::JobFailed,
        Self::JobCanceled,
        Self::BatchCompleted,
        Self::AgentDrift,
        Self::CreditsGranted,
        Self::CreditsLow,
        Self::BudgetThreshold,
        Self::TaskFailed,
        Self::WebhookEndpointDisabled,
        Self::Ping,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobCompleted => "job.completed",
            Self::JobFailed => "job.failed",
            Self::JobCanceled => "job.canceled",
            Self::BatchCompleted => "batch.completed",
            Self::AgentDrift => "agent.drift",
            Self::CreditsGranted => "credits.granted",
            Self::CreditsLow => "credits.low",
            Self::BudgetThreshold => "budget.threshold",
            Self::TaskFailed => "task.failed",
            Self::WebhookEndpointDisabled => "webhook.endpoint.disabled",
            Self::Ping => "ping",
        }
    }

    /// The type of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Which events an endpoint wants. In JSON a list of names, or `["*"]` for all, later ones included.
///
/// ```
/// use skai_server::domain::{EventFilter, EventType};
/// let filter = EventFilter::parse(["job.completed"]).unwrap();
/// assert!(filter.matches(EventType::JobCompleted) && !filter.matches(EventType::Ping));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventFilter {
    /// Every event.
    All,
    /// These and no other; never empty.
    Only(BTreeSet<EventType>),
}

/// The name that stands for every event.
const EVERY_EVENT: &str = "*";

impl EventFilter {
    /// Reads the names. A name may stand twice; no name, an unknown one, and `*` beside others are
    /// [`ErrorKind::InvalidRequest`](super::ErrorKind::InvalidRequest) with the `param` `events`.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        if names.contains(EVERY_EVENT) {
            return match names.len() {
                1 => Ok(Self::All),
                _ => Err(bad_events("`*` means every event; give it alone")),
            };
        }
        let kinds: Option<BTreeSet<_>> = names.into_iter().map(EventType::parse).collect();
        match kinds {
            Some(kinds) if !kinds.is_empty() => Ok(Self::Only(kinds)),
            Some(_) => Err(bad_events("name at least one event, or give [\"*\"]")),
            None => Err(bad_events(&format!(
                "an event name is unknown; known are {} and `*`",
                EventType::ALL.map(EventType::as_str).join(", ")
            ))),
        }
    }

    /// True if the endpoint wants to hear of it.
    pub fn matches(&self, kind: EventType) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kinds.contains(&kind),
        }
    }

    /// The names, as in the API.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::All => vec![EVERY_EVENT],
            Self::Only(kinds) => kinds.iter().map(|kind| kind.as_str()).collect(),
        }
    }
}

fn bad_events(message: &str) -> Error {
    Error::invalid("events", message)
}

impl Serialize for EventFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.names().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let names = Vec::<Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(names.iter().map(AsRef::as_ref))
            .map_err(|error| de::Error::custom(error.message()))
    }
}

impl JsonSchema for EventFilter {
    fn schema_name() -> Cow<'static, str> {
        "EventFilter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
        json_schema!({
            "description": "Names of events, or [\"*\"] for all.",
            "anyOf": [
                {"type": "array", "minItems": 1, "items": {"type": "string", "enum": names}},
                {"type": "array", "minItems": 1, "items": {"const": EVERY_EVENT}},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn names_are_the_same_in_json_and_in_the_store() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(EventType::parse("job.complete"), None);
    }

    #[test]
    fn a_filter_lets_through_what_it_names() {
        let all = EventFilter::parse(["*"]).unwrap();
        assert!(EventType::ALL.into_iter().all(|kind| all.matches(kind)));
        let some: EventFilter =
            serde_json::from_str(r#"["job.failed","job.completed","job.failed"]"#).unwrap();
        let matched = EventType::ALL.into_iter().filter(|kind| some.matches(*kind));
        assert_eq!(matched.collect::<Vec<_>>(), [EventType::JobCompleted, EventType::JobFailed]);
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["job.completed","job.failed"]"#);
    }

    #[test]
    fn a_filter_refuses_the_rest() {
        for bad in [vec![], vec!["*", "ping"], vec!["job.*"], vec![""], vec!["PING"]] {
            let error = EventFilter::parse(bad.iter().copied()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{bad:?}");
            assert_eq!(error.param(), Some("events"));
        }
        assert!(serde_json::from_str::<EventFilter>(r#""*""#).is_err());
    }
}
